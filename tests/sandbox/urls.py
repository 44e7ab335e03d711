"""The sandbox alone, where the real URL conf puts it."""

from django.urls import include, path

urlpatterns = [path("sandbox/", include("klingweb.sandbox.urls"))]
