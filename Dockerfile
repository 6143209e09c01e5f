# Pin it by digest to build the same image again: docker build --build-arg BASE=python:3.13-slim@sha256:…
ARG BASE=python:3.13-slim

# For another package index: docker build --build-arg PIP_INDEX_URL=…
# These arguments are used in the build stages only, so they are in no layer and no history of the image.

FROM ${BASE} AS dependencies
ARG PIP_INDEX_URL
ARG PIP_EXTRA_INDEX_URL
ARG PIP_TRUSTED_HOST
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1 PIP_NO_INPUT=1 PIP_ROOT_USER_ACTION=ignore
WORKDIR /build
RUN ["python", "-m", "venv", "--without-pip", "/opt/uploadsvc"]
COPY locks/runtime.txt locks/
# Wheels only, so that nothing is compiled and no package's code runs.
RUN ["pip", "--python", "/opt/uploadsvc/bin/python", "install", "--require-hashes", "--only-binary", ":all:", "--no-compile", "-r", "locks/runtime.txt"]
# Compile bytecode here, because the service cannot write files. By hash, because builders may change file times.
RUN ["python", "-m", "compileall", "-q", "-j", "0", "--invalidation-mode", "unchecked-hash", "/opt/uploadsvc/lib"]

FROM dependencies AS package
ARG PIP_INDEX_URL
ARG PIP_EXTRA_INDEX_URL
ARG PIP_TRUSTED_HOST
COPY locks/build.txt locks/
RUN ["pip", "install", "--require-hashes", "--only-binary", ":all:", "-r", "locks/build.txt"]
COPY LICENSE README.md pyproject.toml ./
COPY src src
RUN ["pip", "wheel", "--no-build-isolation", "--no-deps", "--no-index", "--wheel-dir", "dist", "."]
# Install into a separate tree, copied over the dependencies below: a change in the source changes one small layer.
RUN pip --python /opt/uploadsvc/bin/python install --no-deps --no-index --no-compile --root /package dist/*.whl \
    && python -m compileall -q --invalidation-mode unchecked-hash -s /package -p / /package

FROM ${BASE}
LABEL org.opencontainers.image.title="uploadsvc" \
      org.opencontainers.image.description="A self-hosted service that issues presigned S3 uploads under per-user key prefixes." \
      org.opencontainers.image.licenses="MIT"
# The base image has pip, and a standard library without bytecode, which every process and health check would compile again.
RUN pip uninstall --yes --quiet --root-user-action ignore pip \
    && rm -rf "$(python -c 'import ensurepip; print(ensurepip.__path__[0])')" \
    && python -m compileall -q -j 0 --invalidation-mode unchecked-hash "$(python -c 'import sysconfig; print(sysconfig.get_path("stdlib"))')"
COPY --from=dependencies /opt/uploadsvc /opt/uploadsvc
COPY --from=package /package /
ENV PATH=/opt/uploadsvc/bin:$PATH PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1
# A number, so that an orchestrator can verify that it is not root.
USER 10001:10001
EXPOSE 8000
# http.client, because urllib would use a proxy from the environment.
HEALTHCHECK --interval=10s --timeout=3s --start-period=30s --retries=3 \
    CMD ["python", "-IS", "-c", "import http.client as h; c = h.HTTPConnection('127.0.0.1', 8000, timeout=2); c.request('GET', '/healthz'); raise SystemExit(c.getresponse().status != 200)"]
ENTRYPOINT ["uploadsvc"]
CMD ["serve", "--host", "0.0.0.0", "--port", "8000"]
