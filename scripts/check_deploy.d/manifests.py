"""Checks built Kubernetes manifests: API schemas, references between objects, restricted pods, and time to drain.

manifests.py FILE
"""

import re
import sys

import kubernetes_validate
import yaml

VERSIONS = ["1.29", "1.34"]

RESTRICTED_POD = {"runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}}
RESTRICTED_CONTAINER = {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}}


class Manifests:
    def __init__(self, documents):
        self.documents = documents
        self.problems = []

    def of_kind(self, kind):
        return {document["metadata"]["name"]: document for document in self.documents if document["kind"] == kind}

    def expect(self, condition, document, problem):
        if not condition:
            self.problems.append(f"{document['kind']} {document['metadata']['name']}: {problem}")

    def deployments_selected_by(self, labels):
        """The names of the deployments whose pods have these labels."""
        pods = [(name, deployment["spec"]["template"]["metadata"]["labels"]) for name, deployment in self.of_kind("Deployment").items()]
        return [name for name, pod_labels in pods if labels and labels.items() <= pod_labels.items()]

    def check(self):
        for document in self.documents:
            for version in VERSIONS:
                try:
                    kubernetes_validate.validate(document, version, strict=True)
                except kubernetes_validate.ValidationError as error:
                    path = ".".join(str(step) for step in error.path)
                    self.expect(False, document, f"{version}: {path}: {error.message}")
        for deployment in self.of_kind("Deployment").values():
            self.check_deployment(deployment)
        for service in self.of_kind("Service").values():
            self.check_service(service)
        for budget in self.of_kind("PodDisruptionBudget").values():
            self.expect(len(self.deployments_selected_by(budget["spec"]["selector"]["matchLabels"])) == 1, budget, "does not select exactly one deployment")
        for scaler in self.of_kind("HorizontalPodAutoscaler").values():
            target = self.of_kind("Deployment").get(scaler["spec"]["scaleTargetRef"]["name"])
            self.expect(target, scaler, "scales a deployment that does not exist")
            self.expect(not target or "replicas" not in target["spec"], scaler, "conflicts with the number of replicas in its deployment")
        for ingress in self.of_kind("Ingress").values():
            for path in (path for rule in ingress["spec"]["rules"] for path in rule["http"]["paths"]):
                service = self.of_kind("Service").get(path["backend"]["service"]["name"], {"spec": {"ports": []}})
                ports = [port["name"] for port in service["spec"]["ports"]]
                self.expect(path["backend"]["service"]["port"]["name"] in ports, ingress, f"its backend does not exist: {path['backend']}")

    def check_deployment(self, deployment):
        template = deployment["spec"]["template"]
        pod, [container] = template["spec"], template["spec"]["containers"]
        self.expect(self.deployments_selected_by(deployment["spec"]["selector"]["matchLabels"]) == [deployment["metadata"]["name"]], deployment, "selects other pods than its own")
        self.expect(RESTRICTED_POD.items() <= pod["securityContext"].items(), deployment, "the security context of the pod is not restricted")
        self.expect(RESTRICTED_CONTAINER.items() <= container["securityContext"].items(), deployment, "the security context of the container is not restricted")
        self.expect(pod["enableServiceLinks"] is False, deployment, "enableServiceLinks must be false: a Service named redis would set REDIS_PORT")
        self.expect(container["resources"].get("requests") and container["resources"]["limits"].get("memory"), deployment, "has no resource requests or no memory limit")
        ports = {port["name"] for port in container["ports"]}
        for probe, path in [("livenessProbe", "/health"), ("readinessProbe", "/ready")]:
            target = container[probe]["httpGet"]
            self.expect(target["path"] == path and target["port"] in ports, deployment, f"{probe} requests {target}")
        variables = {variable["name"]: variable["value"] for variable in container["env"]}
        drain = sum(seconds(variables[name]) for name in ("DRAIN_DELAY", "DRAIN_TIMEOUT"))
        self.expect(drain < pod["terminationGracePeriodSeconds"], deployment, f"is killed before it has drained, which takes up to {drain} s")
        for source in container["envFrom"]:
            for field, kind in [("configMapRef", "ConfigMap"), ("secretRef", "Secret")]:
                name = source.get(field, {}).get("name")
                # The Secret redis belongs to an overlay.
                self.expect(name in (None, "redis") or name in self.of_kind(kind), deployment, f"there is no {kind} {name}")
        mounted = {mount["name"] for mount in container.get("volumeMounts", [])}
        self.expect(mounted == {volume["name"] for volume in pod.get("volumes", [])}, deployment, "its volumes and its mounts differ")

    def check_service(self, service):
        selected = self.deployments_selected_by(service["spec"]["selector"])
        self.expect(len(selected) == 1, service, f"selects the deployments {selected}, not one")
        for deployment in (self.of_kind("Deployment")[name] for name in selected):
            ports = {port["name"] for port in deployment["spec"]["template"]["spec"]["containers"][0]["ports"]}
            for port in service["spec"]["ports"]:
                self.expect(port["targetPort"] in ports, service, f"its pods have no port {port['targetPort']}")


def seconds(duration):
    return int(re.fullmatch(r"(\d+)s", duration)[1])


if __name__ == "__main__":
    with open(sys.argv[1]) as file:
        manifests = Manifests([document for document in yaml.safe_load_all(file) if document])
    manifests.check()
    print("\n".join(manifests.problems) or f"{len(manifests.documents)} objects are valid for Kubernetes {' and '.join(VERSIONS)}")
    sys.exit(bool(manifests.problems))
