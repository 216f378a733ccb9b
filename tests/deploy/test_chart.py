"""What the Helm chart renders is what Kubernetes and the operators' CRDs take, strictly."""

import json
import re
import subprocess
import tomllib
from pathlib import Path

import jsonschema
import kubernetes_validate
import pytest
import yaml

import processor
from processor.settings import load_text
from processor.settings.sections import TopicSettings
from tests.docs.pages import ROOT, text

CHART = ROOT / "deploy" / "chart"
CRDS = Path(__file__).parent / "crds"
OLDEST, NEWEST = "1.25", "1.37"
DIGEST = "sha256:" + "0123456789abcdef" * 4

# Every switch on, and a value where there may be one.
EVERYTHING = {
    "image": {"digest": DIGEST, "pullSecrets": [{"name": "registry"}]},
    "secret": {"create": True, "data": {"redis-url": "redis://valkey:6379/0", "key": "k" * 16}},
    "env": [{"name": "IDSTREAM_KAFKA__CLIENT__SECURITY_PROTOCOL", "value": "SASL_SSL"}],
    "volumes": [{"name": "ca", "configMap": {"name": "ca"}}],
    "volumeMounts": [{"name": "ca", "mountPath": "/etc/ca", "readOnly": True}],
    "topics": {"secretName": "idstream-topics"},
    "nodeSelector": {"kubernetes.io/os": "linux"},
    "tolerations": [{"key": "data", "operator": "Exists"}],
    "affinity": {"nodeAffinity": {}},
    "priorityClassName": "high",
    "podAnnotations": {"example.com/a": "b"},
    "podLabels": {"team": "data"},
    "serviceAccount": {"annotations": {"eks.amazonaws.com/role-arn": "arn:aws:iam::1:role/x"}},
    "networkPolicy": {"enabled": True},
    "podMonitor": {"enabled": True, "labels": {"release": "prometheus"}},
    "prometheusRule": {"enabled": True, "labels": {"release": "prometheus"}},
    "dashboard": {"enabled": True},
    "keda": {
        "enabled": True,
        "trigger": {"sasl": "scram_sha512", "tls": "enable"},
        "authenticationRef": {"name": "kafka"},
    },
}

DSR = {
    "enabled": True,
    "signingKey": "signing.pem",
    "domain": "privacy.example.com",
    "certificateUrl": "https://privacy.example.com/dsr.pem",
}
WITH_API = {
    **EVERYTHING,
    "serve": {"enabled": True, "sessionKey": "session.key", "privacy": DSR},
}

WORKSPACE = '[workspaces.retail]\npreset = "default"\n'
TAKING = f"""[privacy]
[kafka.topics]
privacy = ["privacy-requests"]
{WORKSPACE}[inputs.office]
workspace = "retail"
topics = ["privacy-requests"]
"""

# Building Helm takes minutes, once: by the one worker that all of Go goes to.
pytestmark = [pytest.mark.timeout(900), pytest.mark.xdist_group("go")]


class Chart:
    """The chart and a Helm that renders it."""

    def __init__(self, helm: Path) -> None:
        self._helm = helm
        self._rendered: dict[tuple[str, str, str], str] = {}

    def template(self, values: object = None, release: str = "idstream", kube: str = NEWEST):
        command = [self._helm, "template", release, CHART, "--namespace", "data", "--values", "-"]
        return subprocess.run(
            [*command, "--kube-version", f"{kube}.0"],
            input=json.dumps(values or {}),
            capture_output=True,
            text=True,
            check=False,
        )

    def render(self, values: object = None, release: str = "idstream", kube: str = NEWEST):
        key = (json.dumps(values), release, kube)
        if key not in self._rendered:
            done = self.template(values, release, kube)
            assert done.returncode == 0, done.stderr
            self._rendered[key] = done.stdout
        return [one for one in yaml.safe_load_all(self._rendered[key]) if one]


@pytest.fixture(scope="module")
def chart(helm) -> Chart:
    return Chart(helm)


def kinds(documents) -> set[str]:
    return {one["kind"] for one in documents}


def the(documents, kind: str):
    (found,) = [one for one in documents if one["kind"] == kind]
    return found


def pods(documents):
    return [d["spec"]["template"] for d in documents if d["kind"] in ("StatefulSet", "Job")]


def test_helm_finds_nothing_to_complain_of(helm):
    command = [helm, "lint", CHART, "--strict", "--kube-version", NEWEST]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("kube", [OLDEST, NEWEST])
@pytest.mark.parametrize("values", [{}, WITH_API], ids=["defaults", "everything"])
def test_every_document_is_what_its_schema_says_strictly(chart, values, kube):
    for document in chart.render(values, kube=kube):
        crd = CRDS / f"{document['kind']}.json"
        if crd.exists():
            jsonschema.validate(document, json.loads(crd.read_text()))
        else:
            kubernetes_validate.validate(document, kube, strict=True)


def test_a_field_that_its_schema_does_not_know_is_seen(chart):
    stateful = json.loads(json.dumps(the(chart.render(), "StatefulSet")))
    stateful["spec"]["replica"] = 2
    with pytest.raises(kubernetes_validate.ValidationError, match="replica"):
        kubernetes_validate.validate(stateful, NEWEST, strict=True)
    monitor = json.loads(json.dumps(the(chart.render(EVERYTHING), "PodMonitor")))
    monitor["spec"]["podMetricsEndpoints"][0]["prot"] = "metrics"
    with pytest.raises(jsonschema.ValidationError, match="prot"):
        jsonschema.validate(monitor, json.loads((CRDS / "PodMonitor.json").read_text()))


def test_everything_means_every_template(chart):
    templates = (CHART / "templates").glob("*.yaml")
    sources = set(re.findall(r"# Source: idstream/(\S+)", chart.template(WITH_API).stdout))
    assert {f"templates/{p.name}" for p in templates} == sources


@pytest.mark.parametrize(
    ("values", "says"),
    [
        ({"relicas": 2}, "relicas"),
        ({"kafka": {"bootstrap_servers": "b:9092"}}, "bootstrap_servers"),
        ({"image": {"digest": "latest"}}, "digest"),
        ({"secret": {"create": True}}, "redis-url"),
        ({"serve": {"privacy": {"signing_key": "signing.pem"}}}, "signing_key"),
        ({"serve": {"privacy": {"certificateUrl": "http://plain.example"}}}, "certificateUrl"),
        ({"secret": {"create": True, "data": {"redis-url": "redis://r", "key": "short"}}}, "key"),
    ],
)
def test_a_value_that_cannot_be_meant_is_refused(chart, values, says):
    done = chart.template(values)
    assert done.returncode != 0
    assert says in done.stderr


def test_the_default_configuration_is_one_that_the_processor_takes(chart, tmp_path):
    config = the(chart.render(), "ConfigMap")["data"]["idstream.toml"]
    files = {"redis-url": "redis://valkey:6379/0", "key": "k" * 16}
    for name, content in files.items():
        (tmp_path / name).write_text(content)
    here = config.replace("/run/secrets/idstream", str(tmp_path))
    (container,) = pods(chart.render())[0]["spec"]["containers"]
    environ = {one["name"]: one.get("value", "idstream-0") for one in container["env"]}
    settings = load_text(here, environ)
    assert settings.kafka.instance_id == "idstream-0"
    assert settings.kafka.bootstrap_servers == "kafka:9092"


@pytest.mark.parametrize("values", [{}, EVERYTHING], ids=["defaults", "everything"])
def test_no_pod_has_a_token_a_right_or_a_file_system_that_it_does_not_need(chart, values):
    documents = chart.render(values)
    assert the(documents, "ServiceAccount")["automountServiceAccountToken"] is False
    assert len(pods(documents)) == 2
    for pod in pods(documents):
        assert pod["spec"]["automountServiceAccountToken"] is False
        assert pod["spec"]["securityContext"]["runAsNonRoot"] is True
        for container in pod["spec"]["containers"]:
            context = container["securityContext"]
            assert context["readOnlyRootFilesystem"] is True
            assert context["allowPrivilegeEscalation"] is False
            assert context["capabilities"] == {"drop": ["ALL"]}
            assert "limits" in container["resources"]


def test_secrets_are_files_of_a_secret_and_stand_in_no_other_document(chart):
    documents = chart.render(EVERYTHING)
    for pod, name in zip(pods(documents), ("idstream", "idstream-topics"), strict=True):
        (volume,) = [v for v in pod["spec"]["volumes"] if "secret" in v]
        assert volume["secret"]["secretName"] == name
    others = json.dumps([one for one in documents if one["kind"] != "Secret"])
    for secret in EVERYTHING["secret"]["data"].values():
        assert secret not in others
    assert "Secret" not in kinds(chart.render())


@pytest.mark.parametrize("release", ["idstream", "a" * 53])
def test_names_fit_whatever_the_release_is_called(chart, release):
    for document in chart.render(EVERYTHING, release=release):
        name = document["metadata"]["name"]
        assert len(name) <= (52 if document["kind"] == "StatefulSet" else 63), name


def test_the_job_of_topics_is_another_one_after_any_change(chart):
    def name(**values):
        return the(chart.render(values), "Job")["metadata"]["name"]

    changes = [
        {},
        {"config": "[workspaces.a]\npreset = 'default'\n"},
        {"tolerations": [{"operator": "Exists"}]},
        {"image": {"tag": "next"}},
        {"secret": {"name": "other"}},
    ]
    assert len({name(**change) for change in changes}) == len(changes)


def test_a_changed_configuration_restarts_the_pods(chart):
    before, after = (
        the(chart.render({"config": config}), "StatefulSet")["spec"]["template"]
        for config in (
            "[workspaces.a]\npreset = 'default'\n",
            "[workspaces.b]\npreset = 'default'\n",
        )
    )
    assert before["metadata"]["annotations"] != after["metadata"]["annotations"]


def test_selectors_meet_the_pods_and_nothing_else(chart):
    documents = chart.render(EVERYTHING)
    processor_pod, topics_pod = pods(documents)
    labels, others = processor_pod["metadata"]["labels"], topics_pod["metadata"]["labels"]
    for kind in ("StatefulSet", "PodDisruptionBudget", "PodMonitor"):
        wanted = the(documents, kind)["spec"]["selector"]["matchLabels"]
        assert wanted.items() <= labels.items()
        assert not wanted.items() <= others.items()
    assert the(documents, "Service")["spec"]["selector"].items() <= labels.items()
    policy = the(documents, "NetworkPolicy")["spec"]["podSelector"]["matchLabels"]
    assert policy.items() <= labels.items()
    assert policy.items() <= others.items()


def test_with_keda_nothing_else_sets_the_number_of_pods(chart):
    assert "replicas" not in the(chart.render(EVERYTHING), "StatefulSet")["spec"]
    assert the(chart.render(), "StatefulSet")["spec"]["replicas"] == 2
    scaled = the(chart.render(EVERYTHING), "ScaledObject")["spec"]
    assert [t["metadata"]["topic"] for t in scaled["triggers"]] == [*TopicSettings().inputs]
    assert all(t["metadata"]["consumerGroup"] == "idstream" for t in scaled["triggers"])


def test_rules_and_dashboard_are_those_of_the_repository(chart):
    documents = chart.render(EVERYTHING)
    rules = yaml.safe_load(text("deploy/prometheus/rules.yml"))
    assert the(documents, "PrometheusRule")["spec"] == rules
    (dashboard,) = [d for d in documents if d["metadata"]["name"] == "idstream-dashboard"]
    assert dashboard["data"]["idstream.json"] == text("deploy/grafana/dashboard.json")


def test_the_label_job_of_the_alerts_is_that_of_compose_and_of_the_chart(chart):
    rules = text("deploy/prometheus/rules.yml")
    compose = yaml.safe_load(text("deploy/prometheus/prometheus.yml"))
    (scrape,) = compose["scrape_configs"]
    monitor = the(chart.render(EVERYTHING, release="other"), "PodMonitor")["spec"]
    pod = pods(chart.render(EVERYTHING, release="other"))[0]
    jobs = {*re.findall(r'job="([^"]+)"', rules)}
    assert jobs == {scrape["job_name"]}
    assert jobs == {pod["metadata"]["labels"][monitor["jobLabel"]]}


def test_the_chart_is_of_the_version_of_the_program():
    chart = yaml.safe_load((CHART / "Chart.yaml").read_text())
    assert chart["appVersion"] == chart["version"] == processor.__version__


def test_the_port_is_the_one_that_the_processor_listens_on():
    from processor.settings import ObservabilitySettings

    for name in ("statefulset.yaml", "service.yaml"):
        assert str(ObservabilitySettings().port) in (CHART / "templates" / name).read_text()


def test_the_default_configuration_is_toml_without_a_chart_too():
    values = yaml.safe_load((CHART / "values.yaml").read_text())
    assert tomllib.loads(values["config"])["redis"]["url_file"]


def test_the_api_is_pods_of_its_own_that_only_its_service_and_the_policy_meet(chart):
    documents = chart.render(WITH_API)
    api = the(documents, "Deployment")
    pod = api["spec"]["template"]
    labels = pod["metadata"]["labels"]
    assert api["spec"]["selector"]["matchLabels"].items() <= labels.items()
    services = {d["metadata"]["name"]: d for d in documents if d["kind"] == "Service"}
    assert services["idstream-api"]["spec"]["selector"].items() <= labels.items()
    assert not services["idstream"]["spec"]["selector"].items() <= labels.items()
    policy = the(documents, "NetworkPolicy")["spec"]
    assert policy["podSelector"]["matchLabels"].items() <= labels.items()
    callers = {"from": [{"podSelector": {}}], "ports": [{"protocol": "TCP", "port": "http"}]}
    assert callers in policy["ingress"]
    secrets = next(v for v in pod["spec"]["volumes"] if v["name"] == "secrets")
    assert secrets["secret"]["defaultMode"] == 0o440
    assert pod["spec"]["securityContext"]["fsGroup"] == 10001


def test_the_environment_of_the_api_makes_its_section(chart, tmp_path):
    pod = the(chart.render(WITH_API), "Deployment")["spec"]["template"]["spec"]
    (container,) = pod["containers"]
    environ = {one["name"]: one["value"] for one in container["env"]}
    served = {k: v for k, v in environ.items() if k.startswith("IDSTREAM_SERVE__")}
    settings = load_text(TAKING, served).serve
    assert settings.host == "0.0.0.0"
    assert settings.port == container["ports"][0]["containerPort"]
    assert settings.tokens_file == "/run/secrets/idstream/tokens.toml"
    assert settings.session_key_file == "/run/secrets/idstream/session.key"
    assert settings.ui is True
    assert settings.privacy is True
    assert settings.signing_key_file == "/run/secrets/idstream/signing.pem"
    assert (settings.domain, settings.certificate_url) == (DSR["domain"], DSR["certificateUrl"])


def test_requests_under_privacy_law_are_taken_where_that_is_said_alone(chart):
    told = {**DSR, "enabled": False}
    for values in ({"enabled": True}, {"enabled": True, "privacy": told}):
        pod = the(chart.render({"serve": values}), "Deployment")["spec"]["template"]["spec"]
        environ = {one["name"]: one.get("value") for one in pod["containers"][0]["env"]}
        served = {k: v for k, v in environ.items() if k.startswith("IDSTREAM_SERVE__")}
        settings = load_text(WORKSPACE, served).serve
        assert (settings.privacy, settings.signing_key_file, settings.domain) == (False, None, None)
