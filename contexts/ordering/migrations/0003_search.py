from django.contrib.postgres.indexes import GinIndex
from django.contrib.postgres.operations import AddIndexConcurrently, RemoveIndexConcurrently
from django.contrib.postgres.search import SearchVectorField
from django.db import migrations, models


class Migration(migrations.Migration):
    atomic = False  # the tables are written to while the indexes are made

    dependencies = [
        ('ordering', '0002_notes'),
    ]

    operations = [
        AddIndexConcurrently(
            model_name='orderrow',
            index=models.Index(
                fields=['-placed_at', '-id'],
                include=('status', 'payment_status', 'fulfillment_status', 'currency', 'total_minor'),
                name='ordering_order_overview',
            ),
        ),
        RemoveIndexConcurrently(
            model_name='orderrow',
            name='ordering_order_newest',
        ),
        AddIndexConcurrently(
            model_name='orderlinerow',
            index=models.Index(fields=['sku'], name='ordering_order_line_by_sku'),
        ),
        AddIndexConcurrently(
            model_name='orderrow',
            index=GinIndex(
                models.Func(
                    models.F('email'),
                    models.F('shipping_address'),
                    arg_joiner=" || ' ' || (",
                    output_field=SearchVectorField(),
                    template="to_tsvector('simple'::regconfig, regexp_replace(%(expressions)s ->> 'name'), '[^[:alnum:]]+', ' ', 'g'))",
                ),
                gin_pending_list_limit=256,
                name='ordering_order_words',
            ),
        ),
    ]
