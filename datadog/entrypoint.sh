#!/bin/sh
# Selects the Agent's destination when its container starts, then execs the image's own entrypoint. The image
# does not start without a key; this entrypoint runs it without one.
#
#   DD_API_KEY set    account: everything goes to DD_SITE exactly as Datadog documents.
#   DD_API_KEY empty  local: the Agent is healthy and collects everything, and nothing leaves this machine.
#
# In both modes the receiver in LAB_INTAKE (HOST:PORT), if set, also gets the data. In account mode its
# endpoints are additional and unreliable: if it is down, the path to Datadog is not affected.
set -eu

complain() {
    printf 'credit-lab: %s\n' "$@" >&2
    # EX_CONFIG of sysexits.h: a restart would not fix it.
    exit 78
}

intake=${LAB_INTAKE:-}
case $intake in
    *://* | */*) complain "LAB_INTAKE is \"$intake\"; it must be HOST:PORT, without a scheme or a path." ;;
    '' | *?:[0-9]*) ;;
    *) complain "LAB_INTAKE is \"$intake\"; it must be HOST:PORT." ;;
esac

# Thirty-two zeros is a key that the Agent treats as fake: it reports healthy and validates nothing.
# The lab's console may require a token instead, which senders pass as their key.
fake_key=00000000000000000000000000000000
intake_key=${LAB_CONSOLE_TOKEN:-$fake_key}

local_mode() {
    # No process listens on port 8088 of the container, so without an intake payloads are refused and dropped.
    url=http://${intake:-127.0.0.1:8088}
    export DD_API_KEY="$intake_key"
    # .invalid never resolves (RFC 2606): an endpoint that the lines below do not set cannot be reached.
    export DD_SITE=local.invalid
    export DD_DD_URL="$url"
    export DD_APM_DD_URL="$url"
    export DD_PROCESS_CONFIG_PROCESS_DD_URL="$url"
    # These ignore DD_DD_URL; metadata and health events follow METRICS.
    export DD_DATABASE_MONITORING_SAMPLES_LOGS_DD_URL="$url"
    export DD_DATABASE_MONITORING_METRICS_LOGS_DD_URL="$url"
    export DD_DATABASE_MONITORING_ACTIVITY_LOGS_DD_URL="$url"
    # The documented format of series, so that a small receiver can parse it.
    export DD_USE_V3_API_SERIES_ENABLED=false
    # Features that need an account.
    export DD_REMOTE_CONFIGURATION_ENABLED=false
    export DD_AGENT_TELEMETRY_ENABLED=false
    export DD_APM_TELEMETRY_ENABLED=false
    # The lab reads PostgreSQL's log itself.
    export DD_LOGS_ENABLED=false
    # The Agent's ntp check asks a public time server for the clock's offset.
    rm -f "${DD_CONFD_PATH:-/etc/datadog-agent/conf.d}/ntp.d/conf.yaml.default"
    echo "credit-lab: LOCAL MODE, because DD_API_KEY is empty: nothing is sent to Datadog or the internet."
    echo "credit-lab: payloads go to ${intake:-no receiver}. Put a key into .env to send them to your account."
}

account_mode() {
    case $DD_API_KEY in
        *[!0-9a-f]*) malformed=yes ;;
        *) malformed= ;;
    esac
    if [ -n "$malformed" ] || [ ${#DD_API_KEY} -ne 32 ]; then
        complain \
            "DD_API_KEY is not an API key: it has ${#DD_API_KEY} characters, and a key is 32 of 0-9 and a-f." \
            "Copy it again from Organization Settings > API Keys (not Application Keys) into .env," \
            "or leave it empty for local mode."
    fi
    export DD_SITE="${DD_SITE:-datadoghq.com}"
    case $DD_SITE in
        *://* | */* | app.* | *.*.*.*)
            complain "DD_SITE is \"$DD_SITE\"; it must be the bare site, such as datadoghq.com or datadoghq.eu."
            ;;
    esac
    echo "credit-lab: ACCOUNT MODE: sending to $DD_SITE${intake:+, and a copy to $intake}."
    [ -z "$intake" ] || copy_to_intake
}

copy_to_intake() {
    host=${intake%:*}
    port=${intake##*:}
    main="{\"http://$intake\":[\"$intake_key\"]}"
    stream="[{\"api_key\":\"$intake_key\",\"Host\":\"$host\",\"Port\":$port,\"use_ssl\":false,\"is_reliable\":false}]"
    export DD_ADDITIONAL_ENDPOINTS="$main"
    export DD_APM_ADDITIONAL_ENDPOINTS="$main"
    export DD_DATABASE_MONITORING_SAMPLES_ADDITIONAL_ENDPOINTS="$stream"
    export DD_DATABASE_MONITORING_METRICS_ADDITIONAL_ENDPOINTS="$stream"
    export DD_DATABASE_MONITORING_ACTIVITY_ADDITIONAL_ENDPOINTS="$stream"
}

if [ -n "${DD_API_KEY:-}" ]; then account_mode; else local_mode; fi
exec "$@"
