# The program alone: static, without a shell, as an ordinary user. There is no Postgres in it, so IMAP2API_DATABASE_URL
# must be given. Keep /data: the secret key lies there.
FROM golang:1.26 AS build
WORKDIR /src
COPY go.mod go.sum ./
RUN go mod download
COPY . .
ARG VERSION=unknown
RUN CGO_ENABLED=0 go build -buildvcs=false -trimpath \
      -ldflags "-s -w -X main.release=${VERSION}" \
      -o /out/usr/local/bin/imap2api ./cmd/imap2api \
 && mkdir -p /out/data /out/tmp /out/etc/ssl/certs \
 && chmod 700 /out/data && chmod 1777 /out/tmp \
 && cp /etc/ssl/certs/ca-certificates.crt /out/etc/ssl/certs/ \
 && echo 'imap2api:x:65532:65532::/data:/none' >/out/etc/passwd \
 && echo 'imap2api:x:65532:' >/out/etc/group \
 && chown 65532:65532 /out/data

FROM scratch
LABEL org.opencontainers.image.title="imap2api" org.opencontainers.image.licenses="Apache-2.0"
COPY --from=build /out/ /
USER 65532:65532
ENV IMAP2API_LISTEN=0.0.0.0:8080 IMAP2API_DATA_DIR=/data IMAP2API_LOG_FORMAT=json
VOLUME /data
EXPOSE 8080
STOPSIGNAL SIGTERM
ENTRYPOINT ["/usr/local/bin/imap2api"]
CMD ["serve"]
