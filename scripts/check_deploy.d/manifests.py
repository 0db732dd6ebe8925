"""Built Kubernetes manifests: the API's schemas, references that hold, pods that are restricted and drain in time.

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
        self.wrong = []

    def of_kind(self, kind):
        return {document["metadata"]["name"]: document for document in self.documents if document["kind"] == kind}

    def expect(self, holds, document, problem):
        if not holds:
            self.wrong.append(f"{document['kind']} {document['metadata']['name']}: {problem}")

    def selected(self, labels):
        """The deployments whose pods these labels select."""
        pods = [(name, deployment["spec"]["template"]["metadata"]["labels"]) for name, deployment in self.of_kind("Deployment").items()]
        return [name for name, own in pods if labels and labels.items() <= own.items()]

    def check(self):
        for document in self.documents:
            for version in VERSIONS:
                try:
                    kubernetes_validate.validate(document, version, strict=True)
                except kubernetes_validate.ValidationError as error:
                    path = ".".join(str(step) for step in error.path)
                    self.expect(False, document, f"{version}: {path}: {error.message}")
        for deployment in self.of_kind("Deployment").values():
            self.deployment(deployment)
        for service in self.of_kind("Service").values():
            self.service(service)
        for budget in self.of_kind("PodDisruptionBudget").values():
            self.expect(len(self.selected(budget["spec"]["selector"]["matchLabels"])) == 1, budget, "selects not one deployment")
        for scaler in self.of_kind("HorizontalPodAutoscaler").values():
            target = self.of_kind("Deployment").get(scaler["spec"]["scaleTargetRef"]["name"])
            self.expect(target, scaler, "scales no deployment of these")
            self.expect(not target or "replicas" not in target["spec"], scaler, "and its deployment both say how many replicas")
        for ingress in self.of_kind("Ingress").values():
            for path in (path for rule in ingress["spec"]["rules"] for path in rule["http"]["paths"]):
                service = self.of_kind("Service").get(path["backend"]["service"]["name"], {"spec": {"ports": []}})
                ports = [port["name"] for port in service["spec"]["ports"]]
                self.expect(path["backend"]["service"]["port"]["name"] in ports, ingress, f"no such backend: {path['backend']}")

    def deployment(self, deployment):
        template = deployment["spec"]["template"]
        pod, [container] = template["spec"], template["spec"]["containers"]
        self.expect(self.selected(deployment["spec"]["selector"]["matchLabels"]) == [deployment["metadata"]["name"]], deployment, "selects others")
        self.expect(RESTRICTED_POD.items() <= pod["securityContext"].items(), deployment, "pod is not restricted")
        self.expect(RESTRICTED_CONTAINER.items() <= container["securityContext"].items(), deployment, "container is not restricted")
        self.expect(pod["enableServiceLinks"] is False, deployment, "a Service named redis would set REDIS_PORT")
        self.expect(container["resources"].get("requests") and container["resources"]["limits"].get("memory"), deployment, "has no resources")
        ports = {port["name"] for port in container["ports"]}
        for probe, path in [("livenessProbe", "/health"), ("readinessProbe", "/ready")]:
            asked = container[probe]["httpGet"]
            self.expect(asked["path"] == path and asked["port"] in ports, deployment, f"{probe} asks {asked}")
        variables = {variable["name"]: variable["value"] for variable in container["env"]}
        drain = sum(seconds(variables[name]) for name in ("DRAIN_DELAY", "DRAIN_TIMEOUT"))
        self.expect(drain < pod["terminationGracePeriodSeconds"], deployment, f"is killed before it has drained ({drain} s)")
        for source in container["envFrom"]:
            for field, kind in [("configMapRef", "ConfigMap"), ("secretRef", "Secret")]:
                name = source.get(field, {}).get("name")
                # Redis's Secret is an overlay's.
                self.expect(name in (None, "redis") or name in self.of_kind(kind), deployment, f"there is no {kind} {name}")
        mounted = {mount["name"] for mount in container.get("volumeMounts", [])}
        self.expect(mounted == {volume["name"] for volume in pod.get("volumes", [])}, deployment, "volumes and mounts differ")

    def service(self, service):
        selected = self.selected(service["spec"]["selector"])
        self.expect(len(selected) == 1, service, f"selects {selected}")
        for deployment in (self.of_kind("Deployment")[name] for name in selected):
            ports = {port["name"] for port in deployment["spec"]["template"]["spec"]["containers"][0]["ports"]}
            for port in service["spec"]["ports"]:
                self.expect(port["targetPort"] in ports, service, f"no port {port['targetPort']} in its pods")


def seconds(duration):
    return int(re.fullmatch(r"(\d+)s", duration)[1])


if __name__ == "__main__":
    with open(sys.argv[1]) as file:
        manifests = Manifests([document for document in yaml.safe_load_all(file) if document])
    manifests.check()
    print("\n".join(manifests.wrong) or f"{len(manifests.documents)} objects are valid for Kubernetes {' and '.join(VERSIONS)}")
    sys.exit(bool(manifests.wrong))
