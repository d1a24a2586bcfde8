from django.db import migrations

from webapp.sqlite.renaming import rename_corners


class Migration(migrations.Migration):
    dependencies = [
        ("inference", "0001_initial"),
    ]

    operations = [rename_corners("inference_detection")]
