from django.db import migrations

# What was relayed before there was a feed stands at its beginning, in the order of the ids.
PLACE = """
WITH placed AS (
    SELECT id, row_number() OVER (ORDER BY id) AS place FROM (
        SELECT id FROM outbox_message_archive UNION ALL SELECT id FROM outbox_message WHERE NOT pending
    ) AS event
), archived AS (
    UPDATE outbox_message_archive AS event SET position = place FROM placed WHERE placed.id = event.id
), relayed AS (
    UPDATE outbox_message AS event SET position = place FROM placed WHERE placed.id = event.id
)
INSERT INTO outbox_feed_end (id, position) SELECT 1, count(*) FROM placed HAVING count(*) > 0
"""


class Migration(migrations.Migration):

    dependencies = [
        ('outbox', '0005_feed_indexes'),
    ]

    operations = [
        migrations.RunSQL(PLACE, migrations.RunSQL.noop),
    ]
