# syntax=docker/dockerfile:1
# The production image: web by default; for the other processes give a command of the Procfile, such as
# `python manage.py relay`. Alpine does not work: several wheels exist for glibc only.

FROM python:3.11-slim AS builder
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1 PIP_ROOT_USER_ACTION=ignore
RUN python -m venv /opt/venv
COPY requirements-prod.lock .
RUN /opt/venv/bin/pip install --only-binary :all: --require-hashes -r requirements-prod.lock \
    && /opt/venv/bin/pip uninstall --yes pip setuptools


FROM python:3.11-slim
ENV PATH=/opt/venv/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    DJANGO_SETTINGS_MODULE=config.settings.production
RUN groupadd --gid 10001 orderly \
    && useradd --uid 10001 --gid 10001 --no-create-home --home-dir /nonexistent --shell /usr/sbin/nologin orderly
WORKDIR /app
COPY --from=builder /opt/venv /opt/venv
COPY manage.py Procfile ./
COPY config config
COPY contexts contexts
COPY shared shared
COPY templates templates
# Production settings refuse to start without these; the values live in this one step and open nothing.
RUN DATABASE_URL=postgresql://build@localhost/build \
    REDIS_URL=redis://localhost \
    SECRET_KEY=only-to-collect-static-files-while-the-image-is-built \
    JWT_SIGNING_KEYS=0000000000000000000000000000000000000000000000000000000000000000 \
    ENCRYPTION_KEYS=0000000000000000000000000000000000000000000000000000000000000000 \
    METRICS_TOKEN=build \
    python manage.py collectstatic --noinput --verbosity 0 \
    && python -m compileall -q config contexts shared manage.py
ENV PYTHONDONTWRITEBYTECODE=1
USER 10001:10001

EXPOSE 8000
# Django answers none but its allowed hosts, so the question names one.
HEALTHCHECK --interval=10s --timeout=5s --start-period=30s CMD ["python", "-c", "\
import http.client, os; \
host = os.environ.get('ALLOWED_HOSTS', 'localhost').split(',')[0].strip().lstrip('.').replace('*', 'localhost'); \
web = http.client.HTTPConnection('127.0.0.1', int(os.environ.get('PORT', '8000')), timeout=4); \
web.request('GET', '/healthz', headers={'Host': host}); \
raise SystemExit(web.getresponse().status != 200)"]

# The web process of the Procfile. Its workers add up their metrics in files, which must not outlive them.
CMD ["sh", "-c", "\
export PROMETHEUS_MULTIPROC_DIR=${PROMETHEUS_MULTIPROC_DIR:-/tmp/orderly-metrics} \
&& mkdir -p \"$PROMETHEUS_MULTIPROC_DIR\" && rm -f \"$PROMETHEUS_MULTIPROC_DIR\"/*.db \
&& eval \"exec $(sed -n 's/^web: //p' Procfile)\""]
