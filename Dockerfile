# docker build -t cascade .
# docker run --init -p 127.0.0.1:7070:7070 -v cascade:/var/lib/cascade cascade
#
# The ledger and the guard of its checkpoints lie on the volume. The first start makes the ledger, and the recovery key
# beside it: docs/install.md says how to take that away.

FROM rust:1.95-slim-bookworm AS build
WORKDIR /src
COPY . .
RUN --mount=type=cache,target=/usr/local/cargo/registry --mount=type=cache,target=/src/target \
    cargo build --release --locked --bin cascade --bin cascade-verify \
    && install -D -t /out/bin target/release/cascade target/release/cascade-verify \
    && /out/bin/cascade man --out /out/man1

FROM debian:bookworm-slim
# git is governed most; curl asks whether the service is well.
RUN apt-get update \
    && apt-get install --yes --no-install-recommends ca-certificates curl git openssh-client \
    && rm -rf /var/lib/apt/lists/* \
    && useradd --system --uid 10001 --home-dir /var/lib/cascade --shell /usr/sbin/nologin cascade \
    && install -d -m 0700 -o cascade -g cascade /var/lib/cascade
COPY --from=build /out/bin/ /usr/local/bin/
COPY --from=build /out/man1/ /usr/local/share/man/man1/
ENV CASCADE_HOME=/var/lib/cascade/home XDG_STATE_HOME=/var/lib/cascade/state HOME=/var/lib/cascade
USER cascade
WORKDIR /var/lib/cascade
VOLUME /var/lib/cascade
EXPOSE 7070
HEALTHCHECK --interval=10s --timeout=3s --start-period=10s \
    CMD ["curl", "--fail", "--silent", "--max-time", "2", "http://127.0.0.1:7070/healthz"]
ENTRYPOINT ["cascade"]
# Within the container; who reaches that is for `-p` to say.
CMD ["serve", "--listen", "0.0.0.0:7070"]
