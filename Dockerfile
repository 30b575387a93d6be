# The image of the gateway. Run it with a read-only root; only its configuration comes from outside:
#
#   docker build -t portcullis .
#   docker run --read-only --tmpfs /tmp --cap-drop ALL -p 127.0.0.1:8090:8090 \
#     -v "$PWD/config:/etc/portcullis:ro" portcullis
#
# Loopback in a container is the container's own: config.yaml has to say aggregator.host: 0.0.0.0, and with that
# auth.allowUnauthenticated: true as long as nobody is asked who they are.
#
# tests/image.rs runs the binary in a root that holds what the final stage holds, with the commands written there.

FROM rust:1.95-bookworm AS build
WORKDIR /src
COPY . .
RUN --mount=type=cache,target=/usr/local/cargo/registry \
    --mount=type=cache,target=/src/target \
    cargo build --release --locked --bin portcullis && cp target/release/portcullis /portcullis

# No shell, no package manager: glibc, libgcc, a CA bundle, and the user `nonroot`.
FROM gcr.io/distroless/cc-debian12:nonroot
COPY --from=build /portcullis /usr/local/bin/portcullis
USER 65532:65532
EXPOSE 8090
HEALTHCHECK --interval=10s --timeout=3s --start-period=5s CMD ["portcullis", "health", "--config", "/etc/portcullis"]
ENTRYPOINT ["portcullis"]
CMD ["serve", "--config", "/etc/portcullis"]
