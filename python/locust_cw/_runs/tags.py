"""The tags of a run: those that the user gives, and those of a pipeline, from the variables of CI systems."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from locust_cw import _core
from locust_cw._runs.public_url import public_url

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

MAX_TAGS = 50
MAX_NAME_CHARS = 128
MAX_VALUE_CHARS = 256


def parse_tags(given: Iterable[str]) -> dict[str, str]:
    """The tags of `--cw-tag`, by name.

    Raises:
        InvalidOptionError: If one is not of the form NAME=VALUE, or is too long, or if there are too many.

    """
    tags: dict[str, str] = {}
    for text in given:
        name, separator, value = (part.strip() for part in text.partition("="))
        if not separator or not name:
            raise _core.InvalidOptionError("tag", f"must be of the form NAME=VALUE, not {text!r}")
        if len(name) > MAX_NAME_CHARS or len(value) > MAX_VALUE_CHARS:
            raise _core.InvalidOptionError(
                "tag",
                f"a name has at most {MAX_NAME_CHARS} characters, and a value {MAX_VALUE_CHARS}: {name[:40]}",
            )
        tags[name] = value
    if len(tags) > MAX_TAGS:
        raise _core.InvalidOptionError("tag", f"there are {len(tags)}, and a run has at most {MAX_TAGS}")
    return tags


def tags_of_run(given: Iterable[str] | None, environment: Mapping[str, str] | None = None) -> dict[str, str]:
    """The tags of a run. Those that the user gives take precedence over those of the pipeline.

    Raises:
        InvalidOptionError: If a given tag cannot be used.

    """
    return tags_of_pipeline(os.environ if environment is None else environment) | parse_tags(given or ())


def tags_of_pipeline(environment: Mapping[str, str]) -> dict[str, str]:
    """The tags `branch`, `commit`, `repository` and `pipeline`, as far as variables of a CI system have them.

    No other variable is read, because any could be a secret. URLs are used without user, password and query.
    """
    for marker, tags_of in _SYSTEMS.items():
        if environment.get(marker):
            found = tags_of(lambda name: environment.get(name, "").strip())
            return {name: value[:MAX_VALUE_CHARS] for name, value in found.items() if value}
    return {}


def _github(get: Callable[[str], str]) -> dict[str, str]:
    run, server = get("GITHUB_RUN_ID"), public_url(get("GITHUB_SERVER_URL"))
    repository = get("GITHUB_REPOSITORY")
    return {
        # For a pull request, the name of the ref is that of the merge.
        "branch": get("GITHUB_HEAD_REF") or get("GITHUB_REF_NAME"),
        "commit": get("GITHUB_SHA"),
        "repository": repository,
        "pipeline": f"{server}/{repository}/actions/runs/{run}" if run and server and repository else "",
    }


def _gitlab(get: Callable[[str], str]) -> dict[str, str]:
    return {
        "branch": get("CI_MERGE_REQUEST_SOURCE_BRANCH_NAME") or get("CI_COMMIT_REF_NAME"),
        "commit": get("CI_COMMIT_SHA"),
        "repository": get("CI_PROJECT_PATH"),
        "pipeline": public_url(get("CI_PIPELINE_URL")),
    }


def _codebuild(get: Callable[[str], str]) -> dict[str, str]:
    return {
        "branch": get("CODEBUILD_WEBHOOK_HEAD_REF").removeprefix("refs/heads/"),
        "commit": get("CODEBUILD_RESOLVED_SOURCE_VERSION"),
        "repository": public_url(get("CODEBUILD_SOURCE_REPO_URL")),
        "pipeline": get("CODEBUILD_BUILD_ID"),
    }


def _bitbucket(get: Callable[[str], str]) -> dict[str, str]:
    origin, build = public_url(get("BITBUCKET_GIT_HTTP_ORIGIN")), get("BITBUCKET_BUILD_NUMBER")
    return {
        "branch": get("BITBUCKET_BRANCH"),
        "commit": get("BITBUCKET_COMMIT"),
        "repository": get("BITBUCKET_REPO_FULL_NAME"),
        "pipeline": f"{origin}/pipelines/results/{build}" if origin else "",
    }


def _jenkins(get: Callable[[str], str]) -> dict[str, str]:
    return {
        "branch": get("CHANGE_BRANCH") or get("BRANCH_NAME") or get("GIT_BRANCH").removeprefix("origin/"),
        "commit": get("GIT_COMMIT"),
        "repository": public_url(get("GIT_URL")),
        "pipeline": public_url(get("BUILD_URL")),
    }


# By a variable that only the system sets.
_SYSTEMS = {
    "GITHUB_ACTIONS": _github,
    "GITLAB_CI": _gitlab,
    "CODEBUILD_BUILD_ID": _codebuild,
    "BITBUCKET_BUILD_NUMBER": _bitbucket,
    "JENKINS_URL": _jenkins,
}
