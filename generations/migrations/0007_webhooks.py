import django.db.models.deletion
import django.utils.timezone
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("generations", "0006_readings"),
    ]

    operations = [
        migrations.AddField(
            model_name="credential",
            name="arrivals",
            field=models.JSONField(default=dict, editable=False),
        ),
        migrations.AddField(
            model_name="credential",
            name="webhooks",
            field=models.BooleanField(default=True),
        ),
        migrations.AddField(
            model_name="generation",
            name="delivered",
            field=models.PositiveSmallIntegerField(editable=False, null=True),
        ),
        migrations.AddField(
            model_name="generation",
            name="hinted_at",
            field=models.DateTimeField(editable=False, null=True),
        ),
        migrations.CreateModel(
            name="Delivery",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("at", models.DateTimeField(default=django.utils.timezone.now)),
                ("webhook_id", models.CharField(blank=True, max_length=100)),
                ("verified", models.BooleanField(default=False)),
                ("size", models.PositiveIntegerField()),
                ("sha256", models.CharField(max_length=64)),
                (
                    "generation",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="deliveries",
                        to="generations.generation",
                    ),
                ),
            ],
            options={
                "verbose_name_plural": "deliveries",
                "ordering": ["at", "id"],
                "constraints": [
                    models.UniqueConstraint(
                        fields=("generation", "webhook_id", "sha256"), name="one_delivery_of_each_call"
                    )
                ],
            },
        ),
    ]
