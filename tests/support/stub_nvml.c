/* A stand-in for the NVIDIA driver's library libnvidia-ml.so.1, so that the real client of nvidia-ml-py can be tried
   without a GPU. The variable STUB_NVML names the machine that it plays. Function names, argument lists and numbers are
   those of NVIDIA's documented NVML interface. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

typedef unsigned long long u64;
typedef struct { u64 total, free, used; } Memory;
typedef struct { unsigned pid; u64 used; unsigned gpu_instance, compute_instance; } Process;
typedef struct {
    char legacy[16]; unsigned domain, bus, device, pci_device, pci_subsystem; char bus_id[32];
} Pci;

enum { SUCCESS = 0, NOT_SUPPORTED = 3, NO_PERMISSION = 4, NOT_FOUND = 6, TOO_SMALL = 7, LOST = 15, MISMATCH = 18 };
#define MIG_BASE 100

static int plays(const char *name) {
    const char *machine = getenv("STUB_NVML");
    return machine && strcmp(machine, name) == 0;
}
static unsigned count(void) { return plays("eight") ? 8 : plays("two-one-lost") ? 2 : plays("none") ? 0 : 1; }
static long number(void *handle) { return (long)handle - 1; }

int nvmlInitWithFlags(unsigned flags) {
    (void)flags;
    if (plays("hang")) for (;;) sleep(1);
    if (plays("crash")) { volatile int *nowhere = 0; *nowhere = 1; }
    if (plays("mismatch")) return MISMATCH;
    if (plays("permission")) return NO_PERMISSION;
    if (plays("not-loaded")) return 9;
    if (plays("blocked")) return 17;
    if (plays("unknown")) return 999;
    return SUCCESS;
}
int nvmlShutdown(void) { return SUCCESS; }
const char *nvmlErrorString(int code) {
    switch (code) {
        case NO_PERMISSION: return "Insufficient Permissions";
        case LOST: return "GPU is lost";
        case MISMATCH: return "Driver/library version mismatch";
        default: return "Unknown Error";
    }
}
int nvmlSystemGetDriverVersion(char *text, unsigned size) { snprintf(text, size, "580.65.06"); return SUCCESS; }
int nvmlSystemGetCudaDriverVersion(int *version) { *version = 13000; return SUCCESS; }
int nvmlDeviceGetCount_v2(unsigned *number_of) { *number_of = count(); return SUCCESS; }
int nvmlDeviceGetHandleByIndex_v2(unsigned index, void **handle) {
    if (plays("two-one-lost") && index == 1) return LOST;
    if (plays("crash-late")) abort();
    *handle = (void *)(long)(index + 1);
    return SUCCESS;
}
int nvmlDeviceGetName(void *handle, char *text, unsigned size) {
    const char *card = plays("mig") ? "NVIDIA H100 80GB HBM3" : "NVIDIA GeForce RTX 4090";
    if (number(handle) >= MIG_BASE) snprintf(text, size, "%s MIG %s", card, number(handle) == MIG_BASE ? "3g.40gb" : "1g.10gb");
    else snprintf(text, size, "%s", card);
    return SUCCESS;
}
int nvmlDeviceGetUUID(void *handle, char *text, unsigned size) {
    snprintf(text, size, "%s-%08ld", number(handle) >= MIG_BASE ? "MIG" : "GPU", number(handle));
    return SUCCESS;
}
int nvmlDeviceGetPciInfo_v3(void *handle, Pci *pci) {
    memset(pci, 0, sizeof *pci);
    snprintf(pci->bus_id, sizeof pci->bus_id, "00000000:%02lX:00.0", number(handle) + 1);
    return SUCCESS;
}
int nvmlDeviceGetMemoryInfo(void *handle, Memory *memory) {
    u64 mib = number(handle) == MIG_BASE ? 40448 : number(handle) > MIG_BASE ? 9984 : plays("mig") ? 81559 : 24564;
    memory->total = mib << 20; memory->used = 512ull << 20; memory->free = memory->total - memory->used;
    return SUCCESS;
}
int nvmlDeviceGetCudaComputeCapability(void *handle, int *major, int *minor) {
    (void)handle; *major = plays("mig") ? 9 : 8; *minor = plays("mig") ? 0 : 9;
    return SUCCESS;
}
int nvmlDeviceGetDriverModel(void *handle, unsigned *now, unsigned *later) {
    (void)handle; (void)now; (void)later;
    return NOT_SUPPORTED;
}
int nvmlDeviceGetMigMode(void *handle, unsigned *now, unsigned *later) {
    (void)handle;
    if (!plays("mig") && !plays("mig-uncut")) return NOT_SUPPORTED;
    *now = *later = 1;
    return SUCCESS;
}
int nvmlDeviceGetMaxMigDeviceCount(void *handle, unsigned *most) { (void)handle; *most = 7; return SUCCESS; }
int nvmlDeviceGetMigDeviceHandleByIndex(void *handle, unsigned index, void **part) {
    (void)handle;
    if (!plays("mig") || index > 1) return NOT_FOUND;
    *part = (void *)(long)(MIG_BASE + index + 1);
    return SUCCESS;
}
static int processes(void *handle, unsigned *room, Process *list, unsigned pid) {
    if (number(handle) != 0 || plays("mig")) { *room = 0; return SUCCESS; }
    if (*room < 1 || !list) { *room = 1; return TOO_SMALL; }
    memset(list, 0, sizeof *list);
    list->pid = pid; list->used = 300ull << 20;
    *room = 1;
    return SUCCESS;
}
int nvmlDeviceGetComputeRunningProcesses_v3(void *h, unsigned *room, Process *list) { return processes(h, room, list, 4711); }
int nvmlDeviceGetGraphicsRunningProcesses_v3(void *h, unsigned *room, Process *list) { return processes(h, room, list, 4712); }
int nvmlSystemGetProcessName(unsigned pid, char *text, unsigned size) {
    snprintf(text, size, pid == 4711 ? "python" : "Xorg");
    return SUCCESS;
}
