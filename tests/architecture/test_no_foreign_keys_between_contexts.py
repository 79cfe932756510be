"""A context keeps its tables to itself: others hold ids, and ask."""

import ast
import re
from collections.abc import Iterator

import pytest
from django.apps import apps
from django.contrib.auth.models import Group
from django.db import models
from django.test.utils import isolate_apps

from tests.architecture.source import Source, contexts, sources

#: Where a relation may point outside its own context: what it is, and into which app.
EXCEPTIONS = {"identity": "auth"}  # an account has groups and permissions, which the admin asks for

SQL = re.compile(r"\b(SELECT|INSERT INTO|UPDATE|DELETE FROM|TRUNCATE|LOCK TABLE|CREATE|ALTER|DROP)\b")


def models_of_contexts() -> Iterator[type[models.Model]]:
    """Yield every model of every context, tables of many-to-many relations included."""
    for context in contexts():
        yield from apps.get_app_config(context).get_models(include_auto_created=True)


def foreign_relations(model: type[models.Model]) -> list[str]:
    """Return the relations of the model that leave its context."""
    label = model._meta.app_label
    return [
        f"{model._meta.label}.{field.name} points at {target._meta.label}"
        for field in (*model._meta.local_fields, *model._meta.local_many_to_many)
        if field.is_relation
        and isinstance(target := field.related_model, type)
        and target._meta.app_label not in {label, EXCEPTIONS.get(label, label)}
    ]


def misnamed_table(model: type[models.Model]) -> list[str]:
    """Complain when the model's table does not bear the name of its context."""
    table, label = model._meta.db_table, model._meta.app_label
    return [] if table.startswith(f"{label}_") else [f"{model._meta.label} is kept in {table}"]


def foreign_tables(source: Source) -> list[str]:
    """Return where the module's SQL names a table of another context, or fetches another context's model."""
    others = "|".join(context for context in contexts() if context != source.context)
    table = re.compile(rf"\b(?:{others})_\w+")
    model = re.compile(rf"^(?:{others})(?:\.\w+)?$")
    in_sql = [
        f"{source.at(node)} names the table {name}"
        for node in ast.walk(source.tree)
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and SQL.search(node.value)
        for name in table.findall(node.value)
    ]
    return in_sql + [
        f"{source.at(node)} fetches a model of {node.args[0].value}"
        for node in ast.walk(source.tree)
        if isinstance(node, ast.Call)
        and ast.unparse(node.func).endswith("get_model")
        and node.args
        and isinstance(node.args[0], ast.Constant)
        and isinstance(node.args[0].value, str)
        and model.match(node.args[0].value)
    ]


class TestModels:
    def test_are_related_to_models_of_their_own_context_only(self) -> None:
        assert [complaint for model in models_of_contexts() for complaint in foreign_relations(model)] == []

    def test_are_kept_in_tables_that_begin_with_the_name_of_their_context(self) -> None:
        assert [complaint for model in models_of_contexts() for complaint in misnamed_table(model)] == []

    def test_are_found(self) -> None:
        assert {"ordering_order", "payments_payment"} <= {model._meta.db_table for model in models_of_contexts()}


class TestSql:
    def test_names_tables_of_its_own_context_only(self) -> None:
        modules = [source for context in contexts() for source in sources(f"contexts.{context}")]
        assert [complaint for source in modules for complaint in foreign_tables(source)] == []


class TestForeignRelations:
    @isolate_apps()
    def test_are_found_whatever_their_kind(self) -> None:
        class ProductRow(models.Model):
            class Meta:
                app_label = "catalog"

        class OrderRow(models.Model):
            product = models.ForeignKey(ProductRow, on_delete=models.PROTECT)
            first = models.OneToOneField(ProductRow, on_delete=models.PROTECT, related_name="+")
            others = models.ManyToManyField(ProductRow, related_name="+")
            before = models.ForeignKey("self", on_delete=models.PROTECT)

            class Meta:
                app_label = "ordering"

        assert foreign_relations(OrderRow) == [
            "ordering.OrderRow.product points at catalog.ProductRow",
            "ordering.OrderRow.first points at catalog.ProductRow",
            "ordering.OrderRow.others points at catalog.ProductRow",
        ]

    @isolate_apps()
    def test_with_groups_of_the_admin_are_for_identity_alone(self) -> None:
        class AccountRow(models.Model):
            groups = models.ManyToManyField(Group, related_name="+")

            class Meta:
                app_label = "identity"

        class OrderRow(models.Model):
            groups = models.ManyToManyField(Group, related_name="+")

            class Meta:
                app_label = "ordering"

        assert foreign_relations(AccountRow) == []
        assert foreign_relations(OrderRow) == ["ordering.OrderRow.groups points at auth.Group"]


class TestMisnamedTable:
    @isolate_apps()
    def test_is_found(self) -> None:
        class OrderRow(models.Model):
            class Meta:
                app_label = "ordering"
                db_table = "orders"

        assert misnamed_table(OrderRow) == ["ordering.OrderRow is kept in orders"]


class TestForeignTables:
    @pytest.mark.parametrize(
        "text",
        [
            "sql = 'SELECT 1 FROM inventory_hold'",
            'sql = """\nDELETE FROM ordering_order USING payments_payment AS p"""',
            "sql = f'UPDATE catalog_price SET {column} = 1'",
            "cursor.execute('SELECT 1 FROM ordering_order, identity_account')",
            "row = apps.get_model('inventory', 'HoldRow')",
            "row = apps.get_model('inventory.HoldRow')",
        ],
    )
    def test_are_found(self, text: str) -> None:
        assert len(foreign_tables(Source.of("contexts.ordering.queries", text))) == 1

    @pytest.mark.parametrize(
        "text",
        [
            "sql = 'SELECT 1 FROM ordering_order JOIN ordering_order_line USING (order_id)'",
            "task = 'inventory_release'",
            "row = apps.get_model('ordering', 'OrderRow')",
        ],
    )
    def test_are_told_from_own_ones(self, text: str) -> None:
        assert foreign_tables(Source.of("contexts.ordering.queries", text)) == []
