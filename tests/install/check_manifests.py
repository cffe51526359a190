#!/usr/bin/python3
"""tests/install/check_manifests.py PACKAGING PERDURE: the manifests of packaging/compose and packaging/kubernetes are YAML,
their parts fit each other, and every flag is one that `perdure` has. Nothing is run: exit status 77 without PyYAML."""
import pathlib
import re
import subprocess
import sys

try:
    import yaml
except ImportError:
    print("this python3 has no PyYAML; on Debian: apt-get install python3-yaml")
    sys.exit(77)


def flags_of(program, command):
    text = subprocess.run([program, command, "--help"], capture_output=True, text=True, check=True).stdout
    return set(re.findall(r"^  (--[a-z-]+)", text, re.MULTILINE))


def expect(what, truth):
    if not truth:
        sys.exit(f"FAILED: {what}")


def as_map(args):
    """--flag value and --flag=value alike."""
    flags, rest = {}, list(args)
    while rest:
        word = rest.pop(0)
        expect(f"{word} is a flag", word.startswith("--"))
        name, equals, value = word.partition("=")
        flags[name] = value if equals else rest.pop(0)
    return flags


def check_start(name, address, args, known):
    expect(f"{name} starts a node", args[0] == "start")
    flags = as_map(args[1:])
    expect(f"{name}: `perdure start` has {set(flags) - known}", set(flags) <= known)
    expect(f"{name} is named so", flags["--name"] == name)
    expect(f"{name} is reached at {address}", flags["--advertise"] == address)
    joins = flags["--join"].split(",")
    expect(f"{name} expects as many as it may join", int(flags["--expect"]) == len(joins) == len(set(joins)))
    expect(f"{name} keeps its data on the volume", flags["--data"].startswith("/var/lib/perdure/"))
    return flags, joins


def check_probe(command, program):
    flags = {word.partition("=")[0] for word in command[2:] if word.startswith("--")}
    expect(f"{command}: a command with these flags", command[0] == "perdure" and flags <= flags_of(program, command[1]))


def check_compose(path, program):
    file = yaml.safe_load(path.read_text())
    known, lists, secrets = flags_of(program, "start"), set(), set()
    for name, service in file["services"].items():
        flags, joins = check_start(name, f"{name}:7077", service["command"], known)
        lists.add(tuple(joins))
        secrets.add(flags["--secret"])
        expect(f"{name} has a volume of its own", service["volumes"] == [f"{name}:/var/lib/perdure"])
        expect(f"{name}'s volume is declared", name in file["volumes"])
        expect(f"{name}'s host is named so", service["hostname"] == name)
        expect(f"{name} is for this machine alone", all(port.startswith("127.0.0.1:") for port in service["ports"]))
        check_probe(service["healthcheck"]["test"][1].split(" >")[0].split(), program)
    expect("all are told the same list", len(lists) == 1)
    expect("the list has all of them", {f"{name}:7077" for name in file["services"]} == set(lists.pop()))
    expect("the secret is there", secrets == {"/run/secrets/perdure"} and "perdure" in file["secrets"])


def by_kind(folder):
    objects = {}
    for path in sorted(folder.glob("*.yaml")):
        for one in yaml.safe_load_all(path.read_text()):
            expect(f"{path.name}: kind, version, name", one["kind"] and one["apiVersion"] and one["metadata"]["name"])
            objects.setdefault(one["kind"], []).append(one)
    return objects


def check_kubernetes(folder, program):
    objects = by_kind(folder)
    (nodes,), (budget,) = objects["StatefulSet"], objects["PodDisruptionBudget"]
    headless = [one for one in objects["Service"] if one["spec"].get("clusterIP") == "None"]
    labels = nodes["spec"]["template"]["metadata"]["labels"]
    expect("one headless service names the nodes",
           [one["metadata"]["name"] for one in headless] == [nodes["spec"]["serviceName"]])
    expect("nodes are found before they are ready", headless[0]["spec"]["publishNotReadyAddresses"] is True)
    expect("they start together", nodes["spec"]["podManagementPolicy"] == "Parallel")
    for one in objects["Service"]:
        expect("services select the pods", one["spec"]["selector"] == labels)
    for one in nodes, budget:
        expect("selectors select the pods", one["spec"]["selector"]["matchLabels"] == labels)
    expect("a majority stays", budget["spec"]["maxUnavailable"] == 1 and nodes["spec"]["replicas"] >= 3)
    check_pod(nodes, program)


def check_pod(nodes, program):
    pod = nodes["spec"]["template"]["spec"]
    (container,) = pod["containers"]
    service, count = nodes["spec"]["serviceName"], nodes["spec"]["replicas"]
    flags, joins = check_start("$(POD_NAME)", f"$(POD_NAME).{service}:7077", container["args"], flags_of(program, "start"))
    name = nodes["metadata"]["name"]
    expect("the list has all of them", joins == [f"{name}-{i}.{service}:7077" for i in range(count)])
    for probe in "startupProbe", "readinessProbe", "livenessProbe":
        check_probe(container[probe]["exec"]["command"], program)
    expect("the pod's name is known", [one["name"] for one in container["env"]] == ["POD_NAME"])
    mounts = {mount["name"]: mount["mountPath"] for mount in container["volumeMounts"]}
    claims = {claim["metadata"]["name"] for claim in nodes["spec"]["volumeClaimTemplates"]}
    expect("what is mounted is there", set(mounts) == claims | {volume["name"] for volume in pod["volumes"]})
    expect("the secret is where it is looked for", flags["--secret"].startswith(mounts["secret"] + "/"))
    expect("it needs no root", pod["securityContext"]["runAsNonRoot"] and pod["securityContext"]["runAsUser"] == 7077)


def main():
    packaging, program = pathlib.Path(sys.argv[1]), sys.argv[2]
    check_compose(packaging / "compose" / "compose.yaml", program)
    check_kubernetes(packaging / "kubernetes", program)
    print("the manifests hold together")


if __name__ == "__main__":
    main()
