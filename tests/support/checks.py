"""For test scripts: checks that go on after a failure, and schemas that allow nothing but what they list."""

import json
import sys
import unittest

passed = failures = skipped = 0


def check(good, what, detail=""):
    """Counts the check and says what failed. Returns whether it was good."""
    global passed, failures
    if good:
        passed += 1
    else:
        failures += 1
        print(f"FAILED: {what}\n  {str(detail)[:2000]}")
    return good


def skip(why):
    """Says what this machine cannot do."""
    global skipped
    skipped += 1
    print(f"SKIPPED: {why}", file=sys.stderr)


def exit_status():
    """Says how the checks ended. 77: all of them were skipped."""
    print(f"{passed} passed, {failures} failed, {skipped} skipped")
    return 1 if failures else 77 if skipped and not passed else 0


def run_test_cases():
    """Runs the test cases of the script, whose command line is its own. Returns the exit status, 77 when all of them
    were skipped."""
    result = unittest.main(argv=sys.argv[:1], verbosity=2, exit=False).result
    if not result.wasSuccessful():
        return 1
    return 77 if result.testsRun == len(result.skipped) else 0


def follows_schema(document, schema_text):
    """Checks a document against its JSON Schema; schema_text(kind) gives that of a kind of document."""
    try:
        import jsonschema
    except ImportError:
        print("skipped: the schema, since python3-jsonschema is not installed")
        return
    kind = document["schema"].split("/")[1]
    validator = jsonschema.Draft202012Validator(json.loads(schema_text(kind)))
    errors = [error.message for error in validator.iter_errors(document)]
    check(not errors, f"the document follows schema {kind}", errors[:3])


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
