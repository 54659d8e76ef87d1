"""How images are asked for: the section ``download`` of the job."""

from dataclasses import dataclass
from typing import Any, ClassVar

from pipelines.ingest.addresses import Networks
from pipelines.ingest.opt_out import NO_TRAINING
from pipelines.spine.commit import refuse_below_one


@dataclass(frozen=True)
class Download:
    """Limits, patience and manners of the downloader."""

    version: ClassVar[int] = 1

    user_agent: str = "glmv-curation"
    """What servers are told; put an address for complaints into it: ``my-lab-crawler/1.0 (+https://my.lab/crawler)``. Its first word is
    the name that ``X-Robots-Tag`` may address."""
    opt_out: tuple[str, ...] = NO_TRAINING
    """Directives of ``X-Robots-Tag`` for which an image is left alone; an empty list honours none (img2dataset's four)."""
    max_mb: int = 6
    """MiB of one image at most. A split holds ``input.split_urls`` of them (ours)."""
    max_redirects: int = 5
    """Redirects that are followed (ours; urllib, and so img2dataset: 10)."""
    retries: int = 2
    """Attempts after the first, on 429, 5xx, timeouts and resets alone (ours)."""
    backoff_seconds: float = 1.0
    """Longest pause before the first retry; doubles with each further one (ours)."""
    max_pause_seconds: float = 30.0
    """Longest pause, also where ``Retry-After`` asks for more (ours)."""
    connect_seconds: float = 10.0
    """Seconds for a connection, the lookup of its name not counted (img2dataset: 10)."""
    read_seconds: float = 10.0
    """Seconds between two pieces of an answer (img2dataset: 10)."""
    total_seconds: float = 30.0
    """Seconds for one request from the lookup to the last byte (ours)."""
    max_in_flight: int = 64
    """Requests at once, over all workers (img2dataset: 64 to 256 threads a process)."""
    per_host: int = 4
    """Requests at once to one host, over all workers of a local run, at least one each (ours: half of what a browser makes)."""
    host_delay_seconds: float = 0.0
    """Seconds from the start of one request to a host to that of the next, over all workers (ours: none)."""
    allow_networks: tuple[str, ...] = ()
    """Networks that are not public and may be asked all the same, such as ``10.1.0.0/16``."""
    verify_tls: bool = True
    """Whether certificates are checked; one that fails is reason ``tls``."""
    ca_file: str = ""
    """PEM file of authorities whose certificates are taken beside those that this machine trusts; local or ``scheme://...``."""
    cut_off_hosts: int = 16
    """Hosts of a split of which none answers before this machine's own network is held at fault, which stops the run; 0 never (ours)."""

    def __post_init__(self) -> None:
        """Refuse limits of nothing, and networks that are none."""
        refuse_below_one(max_mb=self.max_mb, max_in_flight=self.max_in_flight, per_host=self.per_host)
        least = {
            "max_redirects": 0,
            "retries": 0,
            "cut_off_hosts": 0,
            "host_delay_seconds": 0,
            "backoff_seconds": 0,
            "max_pause_seconds": 0,
        }
        for name, value in least.items():
            if getattr(self, name) < value:
                raise ValueError(f"{name}: expected at least {value}, found {getattr(self, name)}")
        for name in ("connect_seconds", "read_seconds", "total_seconds"):
            if getattr(self, name) <= 0:
                raise ValueError(f"{name}: expected more than 0, found {getattr(self, name)}")
        if self.ca_file and not self.verify_tls:
            raise ValueError(
                f"expected verify_tls=true beside ca_file ({self.ca_file}), found false, which takes any certificate; drop one"
            )
        try:
            Networks(self.allow_networks)
        except ValueError as error:
            raise ValueError(f"allow_networks: {error}") from error

    @property
    def max_bytes(self) -> int:
        """Bytes of one image at most."""
        return self.max_mb * 2**20

    @property
    def identity(self) -> dict[str, Any]:
        """Return what the outcomes depend on; how fast and how politely they are asked for is no part of it."""
        names = (
            *("user_agent", "opt_out", "max_mb", "max_redirects", "retries", "connect_seconds", "read_seconds", "total_seconds"),
            *("allow_networks", "verify_tls", "ca_file"),
        )
        return {"version": self.version, **{name: getattr(self, name) for name in names}}
