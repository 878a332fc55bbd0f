"""Where a backend answers, under which paths, and the secret it wants to hear."""

from dataclasses import dataclass, field

API_PATH = "/v1"
HEALTH_PATH = "/health"


@dataclass(frozen=True, slots=True)
class Endpoint:
    """An HTTP server on this machine that belongs to one run of a slot."""

    port: int
    key: str = field(default="", repr=False)  # sent as `Authorization: Bearer`; empty: none
    host: str = "127.0.0.1"
    api_path: str = API_PATH  # what stands there instead of /v1
    health_path: str = HEALTH_PATH  # answers 200 while it is well
    names_model: bool = False  # whether a request must name the model
    speaks_hal0: bool = False  # it tells how far it is, and failures by their codes

    def path(self, path: str) -> str:
        """Where the backend has what OpenAI's API has at `path`."""
        if self.api_path == API_PATH:
            return path
        return self.api_path + path.removeprefix(API_PATH)
