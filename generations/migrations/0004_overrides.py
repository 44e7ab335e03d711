import django.db.models.deletion
import django.utils.timezone
from django.apps.registry import Apps
from django.db import migrations, models
from django.db.backends.base.schema import BaseDatabaseSchemaEditor


def keep_shown_models(apps: Apps, _editor: BaseDatabaseSchemaEditor) -> None:
    override, shown = (apps.get_model("generations", name) for name in ("Override", "ShownModel"))
    override.objects.bulk_create(
        override(team_id=each.team_id, provider=each.provider, kind="shown", name=each.model_name)
        for each in shown.objects.all()
    )


class Migration(migrations.Migration):
    dependencies = [
        ("accounts", "0001_initial"),
        ("generations", "0003_elements"),
    ]

    operations = [
        migrations.CreateModel(
            name="Override",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("provider", models.SlugField(max_length=32)),
                (
                    "kind",
                    models.CharField(
                        choices=[
                            ("shown", "Shown"),
                            ("hidden", "Hidden"),
                            ("added", "Added"),
                            ("default", "Default"),
                            ("price", "Price"),
                            ("unverified", "Unverified"),
                        ],
                        max_length=16,
                    ),
                ),
                ("operation", models.SlugField(blank=True, max_length=32)),
                ("name", models.CharField(blank=True, max_length=100)),
                ("value", models.CharField(blank=True, max_length=100)),
                ("since", models.DateTimeField(default=django.utils.timezone.now)),
                (
                    "team",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE, related_name="overrides", to="accounts.team"
                    ),
                ),
            ],
            options={
                "ordering": ["pk"],
                "constraints": [
                    models.UniqueConstraint(
                        fields=("team", "provider", "kind", "operation", "name"), name="one_override_of_each_kind"
                    )
                ],
            },
        ),
        migrations.RunPython(keep_shown_models, migrations.RunPython.noop),
        migrations.DeleteModel(name="ShownModel"),
    ]
