"""Everything that can be set, in seconds where it is time. What an installation changes comes from the environment."""

from pathlib import Path

import dj_database_url
import django_stubs_ext
from csp.constants import NONCE, NONE, SELF

from klingweb.env import Env

django_stubs_ext.monkeypatch()

env = Env()
BASE_DIR = Path(__file__).resolve().parent.parent

# Where things are -----------------------------------------------------------------------------------------------------
DATA_DIR = Path(env.text("DATA_DIR", str(BASE_DIR / "data"))).resolve()
KEYS_DIR = DATA_DIR / "keys"
BIND = env.text("BIND", "127.0.0.1")
PORT = env.integer("PORT", 8000, at_least=1)
LOCAL_HOST = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}.get(BIND, f"[{BIND}]" if ":" in BIND else BIND)  # noqa: S104
LOCAL_ADDRESS = f"http://{LOCAL_HOST}:{PORT}"
PUBLIC_URL = env.origin("PUBLIC_URL", LOCAL_ADDRESS)
HTTPS = PUBLIC_URL.startswith("https://")

# Secrets: from the environment, else the files that `manage.py prepare` makes -----------------------------------------
SECRET_KEY = env.secret("SECRET_KEY", KEYS_DIR / "secret_key")
ENCRYPTION_KEYS = env.names("ENCRYPTION_KEYS", secret_file=KEYS_DIR / "encryption_keys")

# Providers ------------------------------------------------------------------------------------------------------------
SANDBOX_SWITCH = DATA_DIR / "sandbox"  # made by `prepare --demo`
SANDBOX = env.choice("SANDBOX", ("off", "on", "public"), SANDBOX_SWITCH)
SANDBOX_FILE, SANDBOX_SLOTS = DATA_DIR / "sandbox.sqlite3", 9
PACE = SANDBOX_PACE = env.factor("PACE", 1)  # of all waits, leases and deadlines towards providers; tests hurry
FREE_SPACE = 2**30  # bytes; with less in the data directory nothing is sent
SANDBOX_ADDRESS = f"{LOCAL_ADDRESS}/sandbox"
TRUSTED_PROVIDER_HOSTS = env.host_ports("TRUSTED_PROVIDER_HOSTS")

# Requests -------------------------------------------------------------------------------------------------------------
DEBUG = False
ROOT_URLCONF = "klingweb.urls"
TRUSTED_PROXY_COUNT = env.integer("TRUSTED_PROXY_COUNT", 0, at_most=8)
PUBLIC_HOST = PUBLIC_URL.split("://")[1]
ALLOWED_HOSTS = [*env.names("ALLOWED_HOSTS"), PUBLIC_HOST.rsplit(":", 1)[0], "127.0.0.1", "localhost", "[::1]"]
CSRF_TRUSTED_ORIGINS = [PUBLIC_URL]
MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "csp.middleware.CSPMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "django_htmx.middleware.HtmxMiddleware",
    "allauth.account.middleware.AccountMiddleware",
    "klingweb.accounts.zone.reader_zone",
]
SECURE_SSL_REDIRECT = SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = HTTPS
SECURE_REDIRECT_EXEMPT = [r"^sandbox/"]
SECURE_HSTS_SECONDS = 31_536_000 if HTTPS else 0
SECURE_HSTS_INCLUDE_SUBDOMAINS = SECURE_HSTS_PRELOAD = HTTPS
SESSION_COOKIE_AGE = 30 * 86_400
CONTENT_SECURITY_POLICY = {
    "DIRECTIVES": {
        "default-src": [NONE],
        "script-src": [SELF, NONCE],
        "style-src": [SELF, NONCE],
        "img-src": [SELF, "data:", "blob:"],
        "connect-src": [SELF],
        "form-action": [SELF],
        "frame-ancestors": [NONE],
        "base-uri": [NONE],
    }
}
DATA_UPLOAD_MAX_NUMBER_FIELDS = 1000

# What it is made of ---------------------------------------------------------------------------------------------------
INSTALLED_APPS = [
    "klingweb.accounts",
    "klingweb",
    "generations",
    "allauth",
    "allauth.account",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.humanize",
    "django.contrib.staticfiles",
    "csp",
    "django_htmx",
    "django_q",
]
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
                "csp.context_processors.nonce",
                "klingweb.accounts.context.team",
                "generations.context.bar",
            ]
        },
    }
]

# Database: rows are the truth, messages only hints --------------------------------------------------------------------
SQLITE = {
    "transaction_mode": "IMMEDIATE",  # a read that turns into a write must not fail with a stale snapshot
    "timeout": 20,
    "init_command": "PRAGMA journal_mode=WAL;PRAGMA synchronous=NORMAL;PRAGMA journal_size_limit=67108864;",
}
DATABASE_URL = env.database_url("DATABASE_URL", f"sqlite:///{DATA_DIR / 'klingweb.sqlite3'}")
DATABASES = {"default": dj_database_url.parse(DATABASE_URL, conn_max_age=60, conn_health_checks=True)}
if DATABASES["default"]["ENGINE"].endswith("sqlite3"):
    DATABASES["default"]["OPTIONS"] = SQLITE
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

# Cache and queue ------------------------------------------------------------------------------------------------------
REDIS_URL = env.redis_url("REDIS_URL")
CACHE, PLACE = ("redis.RedisCache", REDIS_URL) if REDIS_URL else ("db.DatabaseCache", "cache")
CACHES = {"default": {"BACKEND": f"django.core.cache.backends.{CACHE}", "LOCATION": PLACE}}
WORKERS = env.integer("WORKERS", 4, at_least=1, at_most=64)
Q_CLUSTER = {
    "name": "klingweb",
    "label": "Queue",
    **({"redis": REDIS_URL} if REDIS_URL else {"orm": "default"}),
    "workers": WORKERS,
    "queue_limit": WORKERS,
    "timeout": 160,  # a picture may take two minutes to arrive
    "retry": 500,
    "max_attempts": 1,
    "ack_failures": True,  # a failed task is not redelivered: the sweep decides by the row
    "save_limit": -1,
    "catch_up": False,
    "poll": 0.1,  # seconds between two looks, where there is no Redis
    "ALT_CLUSTERS": {"fast": {"workers": 2, "queue_limit": 2, "timeout": 300, "retry": 1300}},
}
# A turn of the follower's loop, which then lingers for its open POSTs; how long a silent one is believed to be alive.
FOLLOWER_TURN, FOLLOWER_LEASE = env.seconds("FOLLOWER_TURN", 20), env.seconds("FOLLOWER_LEASE", 3)
SUBMISSION_GRACE = env.seconds("SUBMISSION_GRACE", 15)  # after a POST's deadline, before anybody else judges it
HEARTBEAT_SILENCE = env.seconds("HEARTBEAT_SILENCE", 150)  # a cluster that is silent for longer is restarted
HEARTBEAT_EVERY = env.seconds("HEARTBEAT_EVERY", HEARTBEAT_SILENCE / 10)  # then clusters are asked, and work is sought
STOP_FILE = env.text("STOP_FILE")  # named by `serve` for its children; exists once they should come to an end

# People ---------------------------------------------------------------------------------------------------------------
AUTH_USER_MODEL = "accounts.User"
AUTHENTICATION_BACKENDS = ["allauth.account.auth_backends.AuthenticationBackend"]
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "django.contrib.auth.password_validation.UserAttributeSimilarityValidator"},
    {"NAME": "django.contrib.auth.password_validation.MinimumLengthValidator", "OPTIONS": {"min_length": 10}},
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
]
LOGIN_URL = "account_login"
LOGIN_REDIRECT_URL = "/"
ACCOUNT_ADAPTER = "klingweb.accounts.adapter.AccountAdapter"
ACCOUNT_USER_MODEL_USERNAME_FIELD = None
ACCOUNT_LOGIN_METHODS = {"email"}
ACCOUNT_SIGNUP_FIELDS = ["email*", "password1*"]
ACCOUNT_EMAIL_VERIFICATION = "none"  # an invitation is bound to its address, and a first run has no mail server
ACCOUNT_EMAIL_UNKNOWN_ACCOUNTS = False
ACCOUNT_LOGIN_ON_PASSWORD_RESET = True
ACCOUNT_EMAIL_SUBJECT_PREFIX = ""
ACCOUNT_DEFAULT_HTTP_PROTOCOL = PUBLIC_URL.split("://")[0]
ADMIN_PASSWORD = env.secret("ADMIN_PASSWORD")

# Mail, language, files, log -------------------------------------------------------------------------------------------
MAIL = env.mail("EMAIL_URL")
EMAIL_BACKEND = f"django.core.mail.backends.{'smtp' if MAIL.host else 'console'}.EmailBackend"
EMAIL_HOST, EMAIL_PORT, EMAIL_HOST_USER, EMAIL_HOST_PASSWORD = MAIL.host, MAIL.port, MAIL.user, MAIL.password
EMAIL_USE_TLS, EMAIL_USE_SSL, DEFAULT_FROM_EMAIL, EMAIL_TIMEOUT = MAIL.tls, MAIL.ssl, MAIL.sender, 20
LANGUAGE_CODE, TIME_ZONE = "en", "UTC"
STATIC_URL = "static/"
STATIC_ROOT = DATA_DIR / "static"
STATICFILES_DIRS = [BASE_DIR / "static"]
WHITENOISE_KEEP_ONLY_HASHED_FILES = True
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage", "OPTIONS": {"location": DATA_DIR / "media"}},
    "staticfiles": {"BACKEND": "whitenoise.storage.CompressedManifestStaticFilesStorage"},
}
LOG_LEVEL = env.choice("LOG_LEVEL", ("info", "debug", "warning", "error", "critical")).upper()
LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"line": {"format": "{asctime} {levelname} {name}: {message}", "style": "{"}},
    "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": "line"}},
    "root": {"handlers": ["stderr"], "level": LOG_LEVEL},
    # django-q greets at length; the others would tell addresses, some of which are keys to a picture.
    "loggers": {name: {"level": "WARNING"} for name in ("django-q", "httpx", "httpcore")},
}
# Without https these four say the same as klingweb.W001, and also where there is nothing to say.
SILENCED_SYSTEM_CHECKS = [] if HTTPS else ["security.W004", "security.W008", "security.W012", "security.W016"]
VARIABLES = frozenset(env.known)
