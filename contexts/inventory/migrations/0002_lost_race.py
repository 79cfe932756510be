from django.db import migrations

#: Called where a conditional change found too little left: the transaction has to be run again (SQLSTATE 40001).
CREATE = """
CREATE FUNCTION inventory_lost_race() RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'another transaction took the units first' USING ERRCODE = 'serialization_failure';
END
$$
"""


class Migration(migrations.Migration):
    dependencies = [("inventory", "0001_initial")]

    operations = [migrations.RunSQL(CREATE, "DROP FUNCTION inventory_lost_race()")]
