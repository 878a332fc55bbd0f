"""Machines with GPUs, as files below a folder: the files and their forms are those of the kernel's drivers."""

from collections.abc import Mapping
from pathlib import Path

from tests.hardware.trees import LAPTOP, plant

MIB, GIB = 2**20, 2**30

AMD_NAMES = "# List of AMDGPU IDs\n1.0.0\n1586,\tC1,\tAMD Radeon 8060S Graphics\n744C,\tC8,\tAMD Radeon RX 7900 XTX\n"
PCI_NAMES = (
    "# syntax\n1002  Advanced Micro Devices, Inc. [AMD/ATI]\n\t56a0  A Chip of Another Maker\n"
    "8086  Intel Corporation\n\t56a0  DG2 [Arc A770]\n\t\t8086 1020  Limited Edition\n"
    "\ta7a0  Raptor Lake-P [Iris Xe Graphics]\n"
    "9004  Adaptec\n"
)
NAMES = {"usr/share/libdrm/amdgpu.ids": AMD_NAMES, "usr/share/hwdata/pci.ids": PCI_NAMES}

XTX = "0000:03:00.0"
STRIX = "0000:c4:00.0"
ARC = "0000:07:00.0"
IRIS = "0000:00:02.0"
RTX = "0000:01:00.0"


def drm_card(root: Path, number: int, address: str, driver: str, pci_id: str, files: Mapping[str, str]) -> Path:
    """A card with the links that sysfs has; returns the folder of its PCI device."""
    device = root / "sys/devices/pci0000:00" / address
    card = device / "drm" / f"card{number}"
    uevent = f"DRIVER={driver}\nPCI_CLASS=30000\nPCI_ID={pci_id}\nPCI_SLOT_NAME={address}\n"
    plant(device, {"uevent": uevent, "power/runtime_status": "active\n", **files})
    card.mkdir(parents=True, exist_ok=True)
    for link, target in (
        (root / f"sys/class/drm/card{number}", card),
        (root / f"sys/class/drm/card{number}-DP-1", card),  # a connector
        (card / "device", device),
        (root / "sys/bus/pci/devices" / address, device),
    ):
        link.parent.mkdir(parents=True, exist_ok=True)
        link.symlink_to(target)
    return device


def rx_7900_xtx(root: Path, *, number: int = 0) -> Path:
    device = drm_card(
        root,
        number,
        XTX,
        "amdgpu",
        "1002:744C",
        {
            "revision": "0xc8\n",
            "gpu_busy_percent": "97\n",
            "mem_info_vram_total": f"{24 * GIB - 16 * MIB}\n",
            "mem_info_vram_used": f"{20 * GIB}\n",
            "mem_info_gtt_total": f"{32 * GIB}\n",
            "mem_info_gtt_used": f"{100 * MIB}\n",
            "pp_dpm_sclk": "0: 500Mhz \n1: 2304Mhz *\n2: 2526Mhz \n",
            "pp_dpm_mclk": "0: 96Mhz \n1: 456Mhz \n2: 772Mhz \n3: 1249Mhz *\n",
            "hwmon/hwmon5/name": "amdgpu\n",
            "hwmon/hwmon5/temp1_input": "61000\n",
            "hwmon/hwmon5/temp2_input": "78000\n",
            "hwmon/hwmon5/temp3_input": "82000\n",
            "hwmon/hwmon5/power1_average": "338000000\n",
            "hwmon/hwmon5/power1_cap": "339000000\n",
            "hwmon/hwmon5/freq1_input": "2304000000\n",
            "hwmon/hwmon5/freq2_input": "1249000000\n",
            "hwmon/hwmon5/fan1_input": "1480\n",
            "hwmon/hwmon5/pwm1": "102\n",
            "hwmon/hwmon5/pwm1_max": "255\n",
        },
    )
    (device / "gpu_metrics").write_bytes(bytes([0x78, 0x00, 1, 3]) + bytes(116))
    return device


def strix_halo(root: Path, *, number: int = 0, vram: int = 512 * MIB, gtt: int = 110 * GIB) -> Path:
    device = drm_card(
        root,
        number,
        STRIX,
        "amdgpu",
        "1002:1586",
        {
            "revision": "0xc1\n",
            "gpu_busy_percent": "42\n",
            "mem_info_vram_total": f"{vram}\n",
            "mem_info_vram_used": f"{200 * MIB}\n",
            "mem_info_gtt_total": f"{gtt}\n",
            "mem_info_gtt_used": f"{60 * GIB}\n",
            "pp_dpm_sclk": "0: 600Mhz \n1: 1500Mhz *\n2: 2900Mhz \n",
            "pp_dpm_mclk": "0: 400Mhz \n1: 800Mhz \n2: 1000Mhz *\n",
            "hwmon/hwmon4/name": "amdgpu\n",
            "hwmon/hwmon4/temp1_input": "55000\n",
            "hwmon/hwmon4/power1_input": "81000000\n",
            "hwmon/hwmon4/freq1_input": "1500000000\n",
        },
    )
    (device / "gpu_metrics").write_bytes(bytes([0x08, 0x01, 3, 0]) + bytes(260))
    return device


ARC_SENSORS = {
    "hwmon/hwmon3/energy1_input": "1000000000\n",
    "hwmon/hwmon3/power1_max": "190000000\n",
    "hwmon/hwmon3/fan1_input": "1100\n",
}


def resource(window_bytes: int) -> str:
    """The regions of a card with the window onto its memory at number 2."""
    start = 0x6000000000
    line = f"0x{start:016x} 0x{start + window_bytes - 1:016x} 0x000000000014220c\n"
    return "0x00000000a1000000 0x00000000a1ffffff 0x0000000000140204\n" + f"0x{0:016x} 0x{0:016x} 0x{0:016x}\n" + line


def arc_a770_xe(root: Path, *, number: int = 0) -> Path:
    return drm_card(
        root,
        number,
        ARC,
        "xe",
        "8086:56A0",
        {
            "tile0/physical_vram_size_bytes": f"{16 * GIB}\n",
            "tile0/gt0/freq0/act_freq": "2400\n",
            "tile0/gt0/gtidle/idle_residency_ms": "50000\n",
            "hwmon/hwmon3/name": "xe\n",
            "hwmon/hwmon3/temp2_input": "52000\n",
            "hwmon/hwmon3/temp3_input": "60000\n",
            **ARC_SENSORS,
        },
    )


def arc_a770_i915(root: Path, *, number: int = 0, window_bytes: int = 16 * GIB) -> Path:
    return drm_card(
        root,
        number,
        ARC,
        "i915",
        "8086:56A0",
        {
            "resource": resource(window_bytes),
            f"drm/card{number}/gt/gt0/rps_act_freq_mhz": "2050\n",
            f"drm/card{number}/gt/gt0/rc6_residency_ms": "70000\n",
            "hwmon/hwmon3/name": "i915\n",
            "hwmon/hwmon3/temp1_input": "49000\n",
            "hwmon/hwmon3/power1_rated_max": "225000000\n",
            **ARC_SENSORS,
            "hwmon/hwmon3/power1_max": "0\n",
        },
    )


def iris_xe(root: Path, *, number: int = 0) -> Path:
    """Graphics inside a processor; the aperture is as large as some firmware makes it."""
    files = {"resource": resource(512 * MIB), f"drm/card{number}/gt_act_freq_mhz": "1100\n"}
    return drm_card(root, number, IRIS, "i915", "8086:A7A0", files)


def nvidia(root: Path, address: str = RTX, model: str = "NVIDIA GeForce RTX 4090") -> None:
    information = f"Model: \t\t {model}\nIRQ:   \t\t 120\nBus Location: \t {address}\nGPU Excluded:\t No\n"
    plant(root, {f"proc/driver/nvidia/gpus/{address}/information": information})


def mixed_box(root: Path) -> None:
    """Graphics in the processor, an NVIDIA card, two of AMD's and one of Intel's, and a chip for the console."""
    plant(root, {**LAPTOP, **NAMES})
    drm_card(root, 0, "0000:0a:00.0", "ast", "1A03:2000", {})
    arc_a770_xe(root, number=1)
    rx_7900_xtx(root, number=2)
    strix_halo(root, number=3)
    nvidia(root)


def compute_process(root: Path, pid: int, sizes: Mapping[int, int], *, name: str = "") -> None:
    """A process that computes through amdkfd, with its memory by the driver's number of the GPU."""
    files = {f"sys/class/kfd/kfd/proc/{pid}/vram_{number}": f"{size}\n" for number, size in sizes.items()}
    plant(root, files | ({f"proc/{pid}/comm": name + "\n"} if name else {}))


def compute_nodes(root: Path, *places: tuple[int, str]) -> None:
    """A processor and GPUs as amdkfd numbers them."""
    nodes = "sys/class/kfd/kfd/topology/nodes/"
    plant(root, {nodes + "0/gpu_id": "0\n", nodes + "0/properties": "cpu_cores_count 16\nlocation_id 0\ndomain 0\n"})
    for node, (number, address) in enumerate(places, start=1):
        domain, bus, device = address.split(":")
        slot, _, function = device.partition(".")
        location = int(bus, 16) << 8 | int(slot, 16) << 3 | int(function)
        text = f"simd_count 192\nlocation_id {location}\ndomain {int(domain, 16)}\nvendor_id 4098\n"
        plant(root, {f"{nodes}{node}/gpu_id": f"{number}\n", f"{nodes}{node}/properties": text})


def gpu_file(root: Path, pid: int, descriptor: int, address: str, client: int, keys: str, *, name: str = "") -> None:
    """An open file of a GPU in a process."""
    link = root / f"proc/{pid}/fd/{descriptor}"
    link.parent.mkdir(parents=True, exist_ok=True)
    link.unlink(missing_ok=True)
    link.symlink_to("/dev/dri/renderD128")
    head = f"pos:\t0\nflags:\t02100002\ndrm-driver:\tx\ndrm-client-id:\t{client}\ndrm-pdev:\t{address}\n"
    plant(root, {f"proc/{pid}/fdinfo/{descriptor}": head + keys, f"proc/{pid}/comm": (name or f"program{pid}") + "\n"})
