from django.db import migrations

from webapp.sqlite.renaming import rename_corners


class Migration(migrations.Migration):
    dependencies = [
        ("labeling", "0003_crowd_boxes"),
    ]

    operations = [rename_corners("labeling_annotation")]
