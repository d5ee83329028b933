# The project and all it needs, without root inside: docs/cluster-and-gpu.md, "In a container".
FROM python:3.11-slim-bookworm

RUN apt-get update \
    && apt-get install --yes --no-install-recommends git make \
    && rm -rf /var/lib/apt/lists/* \
    && useradd --create-home --uid 1000 sodp \
    && install --directory --owner sodp /sodp-3d
USER sodp
WORKDIR /sodp-3d

# What is installed follows from these files alone: a change of code does not install anew.
COPY --chown=sodp pyproject.toml constraints.txt Makefile README.md LICENSE ./
ENV PIP_NO_CACHE_DIR=1
ARG PIP_EXTRA_INDEX_URL
RUN make .venv/.installed

COPY --chown=sodp . .
RUN touch .venv/.installed && .venv/bin/python envs/doctor.py
ENV PATH=/sodp-3d/.venv/bin:$PATH
CMD ["make", "demo"]
