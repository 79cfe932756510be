from django.contrib.postgres.operations import ValidateConstraint
from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [
        ('outbox', '0007_dropped'),
    ]

    operations = [
        ValidateConstraint(
            model_name='deliveryrow',
            name='outbox_delivery_finished_or_pending',
        ),
    ]
