from django.contrib.postgres.indexes import BrinIndex
from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations


class Migration(migrations.Migration):
    atomic = False  # the table is written to while the index is made

    dependencies = [
        ('webhooks', '0002_log_of_requests'),
    ]

    operations = [
        AddIndexConcurrently(
            model_name='attemptrow',
            index=BrinIndex(autosummarize=True, fields=['at'], name='webhooks_attempt_age'),
        ),
    ]
