from django.contrib.postgres.operations import AddConstraintNotValid
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ('outbox', '0006_places'),
    ]

    operations = [
        migrations.AlterField(
            model_name='deliveryrow',
            name='status',
            field=models.CharField(choices=[('pending', 'Pending'), ('done', 'Done'), ('dead', 'Dead'), ('dropped', 'Dropped')], db_default='pending', max_length=8),
        ),
        migrations.RemoveConstraint(
            model_name='deliveryrow',
            name='outbox_delivery_finished_or_pending',
        ),
        AddConstraintNotValid(
            model_name='deliveryrow',
            constraint=models.CheckConstraint(condition=models.Q(models.Q(('finished_at', None), ('status', 'pending')), models.Q(('finished_at__isnull', False), ('status__in', ('done', 'dead', 'dropped'))), _connector='OR'), name='outbox_delivery_finished_or_pending'),
        ),
    ]
