from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('bases', '0001_initial'),
    ]

    operations = [
        migrations.AddField(
            model_name='basearrival',
            name='file_name',
            field=models.CharField(blank=True, max_length=200),
        ),
    ]
