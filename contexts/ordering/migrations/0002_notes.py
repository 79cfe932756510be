from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ('ordering', '0001_initial'),
    ]

    operations = [
        migrations.CreateModel(
            name='NoteRow',
            fields=[
                ('id', models.UUIDField(primary_key=True, serialize=False)),
                ('text', models.TextField()),
                ('author', models.CharField(max_length=80)),
                ('written_at', models.DateTimeField()),
                ('order', models.ForeignKey(db_index=False, on_delete=models.deletion.PROTECT, related_name='notes', to='ordering.orderrow')),
            ],
            options={
                'verbose_name': 'note',
                'db_table': 'ordering_order_note',
                'indexes': [models.Index(fields=['order', 'id'], name='ordering_order_note_of_order')],
            },
        ),
    ]
