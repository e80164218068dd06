"""For test scripts: checks that go on after a failure, and schemas that allow nothing but what they list."""

failures = 0


def check(good, what, detail=""):
    global failures
    if not good:
        failures += 1
        print(f"FAILED: {what}\n  {detail}")


def exit_status():
    print("failures:", failures)
    return 1 if failures else 0


def strict(node):
    """A copy of a JSON Schema in which every object with properties is closed."""
    if isinstance(node, list):
        return [strict(item) for item in node]
    if not isinstance(node, dict):
        return node
    out = {key: strict(value) for key, value in node.items()}
    if isinstance(node.get("properties"), dict) and "object" in node.get("type", []):
        out["unevaluatedProperties"] = False
    return out
