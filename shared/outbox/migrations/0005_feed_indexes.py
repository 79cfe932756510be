from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations, models

HAS_PLACE = models.Q(('position__isnull', False))


class Migration(migrations.Migration):
    atomic = False  # the tables are written to while the indexes are made

    dependencies = [
        ('outbox', '0004_feed'),
    ]

    operations = [
        AddIndexConcurrently(model, models.Index(condition=HAS_PLACE, fields=fields, name=name))
        for model, fields, name in (
            ('archivedmessagerow', ['position'], 'outbox_message_archive_place'),
            ('archivedmessagerow', ['topic', 'position'], 'outbox_message_archive_feed'),
            ('outboxmessagerow', ['position'], 'outbox_message_place'),
            ('outboxmessagerow', ['topic', 'position'], 'outbox_message_feed'),
        )
    ]
