# The image of Dataflow's workers. From the top of the repository:
#   docker build -f jobs/worker.Dockerfile -t IMAGE . && docker push IMAGE
# Beam is that of requirements.lock, Python that of the machine that launches.
FROM apache/beam_python3.11_sdk:2.77.0

# Where torch comes from: its CPU build, or for GPUs --build-arg TORCH_INDEX=https://pypi.org/simple, where it is the CUDA build.
ARG TORCH_INDEX=https://download.pytorch.org/whl/cpu
# What `python -m jobs.fetch` bakes in. A captioner that sees the images needs but the library of the report: --build-arg WEIGHTS=echarts
ARG WEIGHTS="efficientnet echarts"

ENV GLMV_CACHE=/opt/glmv-curation/weights PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1
WORKDIR /opt/glmv-curation

COPY requirements.lock ./
RUN pip install -r requirements.lock --index-url "${TORCH_INDEX}" --extra-index-url https://pypi.org/simple

# The code that runs is the launcher's and comes with each job; this copy fetches the weights and shows that what it needs is here.
COPY pyproject.toml README.md ./
COPY schemas schemas
COPY filters filters
COPY synth synth
COPY pipelines pipelines
COPY jobs jobs
# echarts is a package of npm's, which is asked once and not kept.
RUN pip install --no-deps . \
    && apt-get update -q && apt-get install -qy --no-install-recommends npm \
    && python -m jobs.fetch ${WEIGHTS} \
    && apt-get purge -qy --auto-remove npm && rm -rf /var/lib/apt/lists/*
WORKDIR /
RUN python -c "import pipelines.recaption.graph"

# Root, like Beam's own image: Dataflow mounts the folder of staged packages for root, and boot installs them for this process.
ENTRYPOINT ["/opt/apache/beam/boot"]
