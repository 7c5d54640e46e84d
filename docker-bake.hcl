# All images: docker buildx bake            one of them: docker buildx bake cu130
# Published:  REPOSITORY=ghcr.io/you/dreamboot VERSION=1.2.3 docker buildx bake --push

variable "REPOSITORY" { default = "dreamboot" }
variable "VERSION" { default = "0.1.0" }
variable "REVISION" { default = "" }
variable "CREATED" { default = "" }
# The date of every file of the environment's layers: the same lock gives the same layers.
variable "SOURCE_DATE_EPOCH" { default = "0" }

group "default" {
  targets = ["cpu", "cu126", "cu130", "cu132", "rocm"]
}

target "_common" {
  context    = "."
  dockerfile = "docker/Dockerfile"
  platforms  = ["linux/amd64"]
  args = {
    REPOSITORY        = REPOSITORY
    VERSION           = VERSION
    REVISION          = REVISION
    CREATED           = CREATED
    SOURCE_DATE_EPOCH = SOURCE_DATE_EPOCH
  }
}

target "cpu" {
  inherits = ["_common"]
  args     = { MACHINE = "cpu" }
  tags     = ["${REPOSITORY}:cpu", "${REPOSITORY}:${VERSION}-cpu"]
}

target "cuda" {
  name     = tag
  inherits = ["_common"]
  matrix   = { tag = ["cu126", "cu130", "cu132"] }
  args     = { MACHINE = tag, NVIDIA_VISIBLE_DEVICES = "all" }
  tags     = ["${REPOSITORY}:${tag}", "${REPOSITORY}:${VERSION}-${tag}"]
}

target "rocm" {
  inherits = ["_common"]
  args     = { MACHINE = "rocm" }
  tags     = ["${REPOSITORY}:rocm", "${REPOSITORY}:${VERSION}-rocm"]
}
