from django.db import migrations, models


class Migration(migrations.Migration):
    """Let one index both keep numbers unique and find them by how they begin; it took two, each for every order."""

    atomic = False  # orders are placed while the index is made

    dependencies = [
        ('ordering', '0003_search'),
    ]

    operations = [
        migrations.SeparateDatabaseAndState(
            state_operations=[
                migrations.AlterField(
                    model_name='orderrow',
                    name='number',
                    field=models.CharField(max_length=14),
                ),
                migrations.AddConstraint(
                    model_name='orderrow',
                    constraint=models.UniqueConstraint(
                        fields=('number',), name='ordering_order_number_once', opclasses=['varchar_pattern_ops']
                    ),
                ),
            ],
            database_operations=[
                migrations.RunSQL(
                    'CREATE UNIQUE INDEX CONCURRENTLY ordering_order_number_once '
                    'ON ordering_order (number varchar_pattern_ops)',
                    'DROP INDEX CONCURRENTLY ordering_order_number_once',
                ),
                migrations.RunSQL(
                    'ALTER TABLE ordering_order DROP CONSTRAINT ordering_order_number_key',
                    'ALTER TABLE ordering_order ADD CONSTRAINT ordering_order_number_key UNIQUE (number)',
                ),
                migrations.RunSQL(
                    'DROP INDEX CONCURRENTLY ordering_order_number_49e5e55c_like',
                    'CREATE INDEX CONCURRENTLY ordering_order_number_49e5e55c_like '
                    'ON ordering_order (number varchar_pattern_ops)',
                ),
            ],
        ),
    ]
