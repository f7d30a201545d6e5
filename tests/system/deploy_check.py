# SPDX-License-Identifier: MIT
"""Reads the files of deploy/ and says what does not fit together.

    deploy_check.py DEPLOY TMP    writes TMP/expressions.yaml: the dashboard's
                                  expressions as rules, for promtool
"""
import json
import pathlib
import re
import sys

import yaml

deploy, tmp = pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2])
faults = []


def check(holds, what):
    if not holds:
        faults.append(what)


def documents(path):
    return [d for d in yaml.safe_load_all(path.read_text()) if d]


# ---- Kubernetes ---------------------------------------------------------------

kube = deploy / "kubernetes"
files = sorted(kube.glob("*.yaml"))
listed = documents(kube / "kustomization.yaml")[0]["resources"]
apart = {"kustomization.yaml", "secrets.yaml", "autoscale-keda.yaml",
         "autoscale-hpa.yaml"}
check({f.name for f in files} - apart == set(listed),
      "kustomization.yaml: the files are others: %s" % listed)
objects = {}
for f in files:
    if f.name == "kustomization.yaml":
        continue
    for d in documents(f):
        for key in ("apiVersion", "kind", "metadata"):
            check(key in d, "%s: no %s" % (f.name, key))
        name = (d["kind"], d["metadata"]["name"])
        check(name not in objects, "%s: %s twice" % (f.name, name))
        objects[name] = d


def key_is_there(kind, name, key, where):
    held = objects.get((kind, name), {})
    data = {**held.get("data", {}), **held.get("stringData", {})}
    check(key in data, "%s: no %s in %s %s" % (where, key, kind, name))


def option(args, name):
    for a in args:
        if a.startswith("--%s=" % name):
            return a.split("=", 1)[1]
    return None


def pod_check(name, pod):
    volumes = {v["name"]: v for v in pod.get("volumes", [])}
    claims = {"data"} if name[0] == "StatefulSet" else set()
    check(pod["securityContext"].get("runAsNonRoot") is True,
          "%s: may be root" % (name,))
    for c in pod.get("initContainers", []) + pod["containers"]:
        s = c.get("securityContext", {})
        check(s.get("allowPrivilegeEscalation") is False and
              s.get("readOnlyRootFilesystem") is True and
              s.get("capabilities", {}).get("drop") == ["ALL"],
              "%s: %s is not confined" % (name, c["name"]))
        for m in c.get("volumeMounts", []):
            check(m["name"] in volumes or m["name"] in claims,
                  "%s: no volume %s" % (name, m["name"]))
        for e in c.get("env", []):
            source = e.get("valueFrom", {}).get("configMapKeyRef")
            if source:
                key_is_there("ConfigMap", source["name"], source["key"], name)
    for v in volumes.values():
        if "configMap" in v:
            check(("ConfigMap", v["configMap"]["name"]) in objects,
                  "%s: no ConfigMap of %s" % (name, v["name"]))
        for item in v.get("secret", {}).get("items", []):
            key_is_there("Secret", v["secret"]["secretName"], item["key"], name)


for name, d in objects.items():
    spec = d.get("spec", {})
    if "template" in spec:
        pod_check(name, spec["template"]["spec"])
        labels = spec["template"]["metadata"]["labels"]
        wanted = spec.get("selector", {}).get("matchLabels", {})
        check(wanted.items() <= labels.items(), "%s: selects others" % (name,))
    if name[0] in ("Service", "PodDisruptionBudget"):
        sel = spec["selector"]
        sel = sel.get("matchLabels", sel)
        check(any(sel.items() <= o["spec"]["template"]["metadata"]["labels"]
                  .items() for o in objects.values()
                  if "template" in o.get("spec", {})),
              "%s: selects nothing" % (name,))
    target = spec.get("scaleTargetRef")
    if target:
        check(("Deployment", target["name"]) in objects,
              "%s: scales nothing" % (name,))

worker = objects["Deployment", "stint-worker"]["spec"]["template"]["spec"]
args = worker["containers"][0]["args"]
check(worker["terminationGracePeriodSeconds"] >
      int(option(args, "shutdown")) + int(option(args, "grace")),
      "worker.yaml: killed before it has drained")
json.loads(objects["ConfigMap", "stint-worker"]["data"]["worker.json"])
broker = objects["Deployment", "stint-broker"]["spec"]["template"]["spec"]
probes = broker["containers"][0]
check(probes["livenessProbe"]["httpGet"]["path"] == "/healthz" and
      probes["readinessProbe"]["httpGet"]["path"] == "/readyz",
      "broker.yaml: the probes")
keda = objects["ScaledObject", "stint-worker"]["spec"]["triggers"][0]
check("/api/v1/autoscale?" in keda["metadata"]["url"] and
      keda["metadata"]["valueLocation"] == "recommended",
      "autoscale-keda.yaml: another path than docs/http.md has")

# ---- Compose ------------------------------------------------------------------

compose = documents(deploy / "docker" / "compose.yaml")[0]
for name, s in compose["services"].items():
    for kind in ("secrets", "configs"):
        for used in s.get(kind, []):
            used = used["source"] if isinstance(used, dict) else used
            check(used in compose[kind], "compose.yaml: %s: no %s %s" %
                  (name, kind, used))
    for other in s.get("depends_on", {}):
        check(other in compose["services"], "compose.yaml: no %s" % other)
check(compose["services"]["worker"]["deploy"]["replicas"] == 2 and
      compose["services"]["worker"]["stop_grace_period"] == "45s",
      "compose.yaml: the workers")

# ---- Grafana ------------------------------------------------------------------

board = json.loads((deploy / "grafana" / "stint.json").read_text())
ids, rules = set(), []
for p in board["panels"]:
    check(p["id"] not in ids, "stint.json: panel %d twice" % p["id"])
    ids.add(p["id"])
    g = p["gridPos"]
    check(g["x"] + g["w"] <= 24, "stint.json: %s is too wide" % p["title"])
    for t in p.get("targets", []):
        expr = t["expr"].replace("$__rate_interval", "5m")
        rules.append({"record": "panel:p%d:%s" % (p["id"], t["refId"]),
                      "expr": re.sub(r"\$(job|group)\b", ".*", expr)})
check(len(rules) > 15, "stint.json: hardly any panels")
(tmp / "expressions.yaml").write_text(
    yaml.safe_dump({"groups": [{"name": "board", "rules": rules}]}))

if faults:
    sys.exit("\n".join(faults))
print("%d objects, %d services, %d expressions" %
      (len(objects), len(compose["services"]), len(rules)))
