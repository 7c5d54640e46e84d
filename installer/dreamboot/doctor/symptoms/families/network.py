"""The network, the hub, tokens and certificates."""

# ruff: noqa: E501 - messages and lines of logs are kept whole, in their own letters

from __future__ import annotations

from typing import Mapping

from dreamboot.doctor.symptoms.base import LogView, Symptom

LOGIN = ("hf auth login", "stores a token for this user (or set HF_TOKEN for the process)")


def _refused_not_missing(_captures: Mapping[str, str], log: LogView) -> bool:
    """With a token the hub answers 404 for what is not there; then nothing was refused."""
    return not log.has("404 Client Error") or log.has("401 Client Error", "403 Client Error", "Invalid username")


SYMPTOMS = (
    Symptom(
        id="net-gated-flux",
        area="network-auth",
        weight=86,
        signs=(
            "Cannot access gated repo",
            "GatedRepoError",
            "You must have access to it and be authenticated to access it",
            "Access to model {model} is restricted",
            "is a gated repo",
            "Your request to access model",
            "awaiting a review from the repo authors",
            "not in the authorized list",
        ),
        what="The model is gated: its licence must be accepted.",
        cause="The hub asks for an account that has accepted the licence, and this process sent no token, or one without that right.",
        fix=(("https://huggingface.co/{model}", "open the model's page and accept its licence"), LOGIN),
        link="https://huggingface.co/docs/hub/models-gated",
        leads_to=("net-gated-token-fine-grained", "net-hf-outage", "mf-no-file"),
        cases=("net-gated-flux",),
        examples=(
            "huggingface_hub.errors.GatedRepoError: 401 Client Error.\nCannot access gated repo for url https://huggingface.co/black-forest-labs/FLUX.1-dev/resolve/main/x.\nAccess to model black-forest-labs/FLUX.1-dev is restricted. You must have access to it and be authenticated to access it. Please log in.",
        ),
    ),
    Symptom(
        id="net-gated-token-fine-grained",
        area="network-auth",
        weight=78,
        signs=(
            "401 Client Error",
            "403 Client Error",
            "403 Forbidden: Please enable access to public gated repositories in your fine-grained token",
            "HfHubHTTPError: 403 Forbidden",
            "permission: fineGrained",
            "Invalid username or password",
            "Invalid user token",
            "RepositoryNotFoundError",
            "Repository Not Found for url",
            "is not a valid model identifier listed on",
            "Token is required",
            "LocalTokenNotFoundError",
            "Invalid credentials in Authorization header",
        ),
        when=_refused_not_missing,
        unless=("Cannot access gated repo", "GatedRepoError", "is restricted. You must", "api.wandb"),
        leads_to=("net-hf-outage", "mf-no-file"),
        what="The hub refused the token, or there is none.",
        cause="The token is missing in this process (another HF_HOME than at login), is not valid, or lacks the right for gated models; a wrong model name is answered in the same way.",
        fix=(
            LOGIN,
            (
                "hf auth whoami",
                "nothing: shows which account the token belongs to; fine-grained tokens need 'read access to gated repositories'",
            ),
        ),
        link="https://huggingface.co/settings/tokens",
        cases=("net-gated-token-fine-grained",),
        examples=(
            "Token is valid (permission: fineGrained).\nrequests.exceptions.HTTPError: 401 Client Error: Unauthorized for url: https://huggingface.co/api/models/meta/x",
        ),
    ),
    Symptom(
        id="net-hf-outage",
        area="network-auth",
        weight=66,
        signs=(
            "Can't load tokenizer for '{name:any}'",
            "503 Server Error",
            "502 Server Error",
            "504 Server Error",
            "500 Server Error",
            "429 Client Error",
            "429 Too Many Requests",
            "Service Unavailable for url",
            "Gateway Time-out",
        ),
        unless=("same name as a local folder",),
        what="The hub did not give the file.",
        cause="The tokenizer or model could not be fetched: the hub is down or limits requests, or this machine is offline and the cache does not hold it.",
        fix=(
            (
                "curl -sI https://huggingface.co | head -1",
                "nothing: shows whether the hub answers; try again later (https://status.huggingface.co)",
            ),
            ("hf download REPOSITORY", "fetches all files beforehand"),
        ),
        link="https://status.huggingface.co",
        cases=("net-hf-outage",),
        examples=(
            "OSError: Can't load tokenizer for 'laion/CLIP-ViT-bigG-14-laion2B-39B-b160k'. If you were trying to load it from 'https://huggingface.co/models', make sure you don't have a local directory with the same name.",
        ),
    ),
    Symptom(
        id="net-ssl-proxy",
        area="network-auth",
        weight=84,
        signs=(
            "CERTIFICATE_VERIFY_FAILED",
            "self-signed certificate in certificate chain",
            "self signed certificate",
            "unable to get local issuer certificate",
            "invalid peer certificate: UnknownIssuer",
            "InvalidCertificate(UnknownIssuer)",
            "SSLError(SSLCertVerificationError",
            "CERT_TRUST_IS_UNTRUSTED_ROOT",
            "server certificate verification failed",
        ),
        what="The server's certificate is not trusted here.",
        cause="A company proxy or a virus scanner replaces certificates by its own, which Python does not know.",
        fix=(
            (
                "export REQUESTS_CA_BUNDLE=/etc/ssl/certs/ca-certificates.crt SSL_CERT_FILE=/etc/ssl/certs/ca-certificates.crt",
                "Python trusts the system's certificates (install the company's there)",
            ),
            ("{python} -m pip config set global.cert /PATH/company-ca.pem", "the same for pip"),
        ),
        link="https://pip.pypa.io/en/stable/topics/https-certificates/",
        leads_to=("net-offline", "net-hf-outage", "py-311-old-torch", "net-download"),
        cases=("net-ssl-proxy",),
        examples=(
            "requests.exceptions.SSLError: (MaxRetryError(\"HTTPSConnectionPool(host='huggingface.co', port=443): Max retries exceeded (Caused by SSLError(SSLCertVerificationError(1, '[SSL: CERTIFICATE_VERIFY_FAILED] certificate verify failed: self-signed certificate in certificate chain (_ssl.c:1007)')))\"))",
        ),
    ),
    Symptom(
        id="net-proxy",
        area="network-auth",
        weight=82,
        signs=(
            "ProxyError",
            "Cannot connect to proxy",
            "407 Proxy Authentication Required",
            "Tunnel connection failed",
            "check_hostname requires server_hostname",
            "WRONG_VERSION_NUMBER",
            "Missing dependencies for SOCKS support",
            "Unknown scheme for proxy URL",
        ),
        leads_to=("net-offline", "net-hf-outage", "net-download", "py-311-old-torch"),
        what="The proxy does not let this through.",
        cause="HTTP_PROXY or HTTPS_PROXY names a proxy that does not answer, wants a password, or is written wrongly.",
        fix=(
            ("env | grep -i proxy", "nothing: shows the settings"),
            ("unset HTTP_PROXY HTTPS_PROXY ALL_PROXY", "goes without a proxy"),
        ),
        examples=(
            "requests.exceptions.ProxyError: HTTPSConnectionPool(host='huggingface.co', port=443): Max retries exceeded with url: /api (Caused by ProxyError('Unable to connect to proxy', OSError('Tunnel connection failed: 407 Proxy Authentication Required')))",
        ),
    ),
    Symptom(
        id="net-offline",
        area="network-auth",
        weight=76,
        signs=(
            "Temporary failure in name resolution",
            "Name or service not known",
            "getaddrinfo failed",
            "[Errno 11001]",
            "[Errno -3]",
            "[Errno -2]",
            "[Errno 101]",
            "[Errno 111]",
            "[WinError 10061]",
            "[WinError 10060]",
            "[WinError 10054]",
            "NameResolutionError",
            "Failed to resolve '",
            "We couldn't connect to 'https://huggingface.co'",
            "OfflineModeIsEnabled:",
            "offline mode is enabled. To disable it",
            "LocalEntryNotFoundError:",
            "Network is unreachable",
            "dns error: failed to lookup address",
            "Cannot find the requested files in the disk cache and outgoing traffic has been disabled",
            "client error (Connect)",
        ),
        unless=("CERTIFICATE_VERIFY_FAILED", "ProxyError", "EADDRINUSE", "MASTER_ADDR"),
        leads_to=("net-hf-outage", "mf-no-file", "net-download", "py-311-old-torch", "net-gated-token-fine-grained"),
        what="A server can't be reached.",
        cause="The name was not found or the connection was refused: no network, a firewall, a wrong DNS server, or offline mode (HF_HUB_OFFLINE).",
        fix=(
            ("curl -sI https://huggingface.co | head -1", "nothing: shows whether the server can be reached"),
            ("dreamboot detect", "nothing: shows which sources can be reached from here"),
        ),
        examples=(
            "urllib3.exceptions.NameResolutionError: <urllib3.connection.HTTPSConnection object at 0x7f>: Failed to resolve 'huggingface.co' ([Errno -3] Temporary failure in name resolution)",
            "OSError: We couldn't connect to 'https://huggingface.co' to load this file",
        ),
    ),
    Symptom(
        id="net-download",
        area="network-auth",
        weight=68,
        signs=(
            "ReadTimeoutError",
            "Read timed out",
            "IncompleteRead(",
            "ConnectionResetError",
            "Connection reset by peer",
            "ConnectTimeoutError",
            "ChunkedEncodingError",
            "CAS service error",
            "error decoding response body",
            "Failed to download `",
            "Failed to download distribution due to network timeout",
            "Try increasing UV_HTTP_TIMEOUT",
            "operation timed out",
        ),
        unless=("CERTIFICATE_VERIFY_FAILED", "ProxyError", "NCCL", "TCPStore", "docker"),
        what="A download broke off.",
        cause="The connection was lost or too slow; nothing is wrong with the packages.",
        fix=(
            ("{python} -m pip install --timeout 120 --retries 10 ...", "more patience (uv: UV_HTTP_TIMEOUT=300)"),
            ("HF_HUB_DISABLE_XET=1 hf download REPOSITORY", "resumes the download from the hub by plain HTTPS"),
        ),
        examples=(
            "pip._vendor.urllib3.exceptions.ReadTimeoutError: HTTPSConnectionPool(host='files.example.org', port=443): Read timed out.",
        ),
    ),
    Symptom(
        id="net-wandb",
        area="network-auth",
        weight=74,
        signs=(
            "wandb: ERROR",
            "wandb.errors.UsageError: api_key not configured",
            "api_key not configured (no-tty)",
            "wandb.errors.errors.UsageError",
            "wandb.errors.AuthenticationError",
        ),
        what="Weights & Biases asks for a key.",
        cause="The trainer reports to wandb, and no key is stored.",
        fix=(("export WANDB_MODE=disabled", "no reports"), ("wandb login", "stores a key")),
        examples=("wandb.errors.UsageError: api_key not configured (no-tty). call wandb.login(key=[your_api_key])",),
    ),
)
