variable "project" {
  description = "The Google Cloud project; it exists, and is billed."
  type        = string

  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{4,28}[a-z0-9]$", var.project))
    error_message = "A project's id has 6 to 30 lower-case letters, digits and dashes."
  }
}

variable "region" {
  description = "Where everything runs and is kept. Stores and processes are in one region, so traffic between them costs nothing."
  type        = string
  default     = "europe-west3"
}

variable "zone" {
  description = "The zone of the stores' machine and its disk: the region's letter."
  type        = string
  default     = "b"
}

variable "name" {
  description = "What the names of everything begin with, so that one project can hold two platforms."
  type        = string
  default     = "energy"

  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{1,14}$", var.name))
    error_message = "2 to 15 lower-case letters, digits and dashes; longer ones don't fit into the names of service accounts."
  }
}

variable "bigquery_location" {
  description = "Where the dataset is; it can't be moved later."
  type        = string
  default     = "EU"
}

variable "image" {
  description = "The platform's image, by its digest: `…/platform@sha256:…`. A tag may change under a running process."
  type        = string

  validation {
    condition     = can(regex("@sha256:[0-9a-f]{64}$", var.image))
    error_message = "Name the image by its digest, …@sha256:…"
  }
}

variable "images" {
  description = "The images beside the platform's. InfluxDB, Grafana and Valkey come through the mirror of Docker Hub that this module makes; name digests where you pin them."
  type = object({
    influxdb       = optional(string, "library/influxdb:2.7-alpine")
    grafana        = optional(string, "grafana/grafana:11.6.0")
    valkey         = optional(string, "valkey/valkey:8.1-alpine")
    metrics_reader = optional(string, "us-docker.pkg.dev/cloud-ops-agents-artifacts/cloud-run-gmp-sidecar/cloud-run-gmp-sidecar:1.2.0")
    google_cloud   = optional(string, "gcr.io/google.com/cloudsdktool/google-cloud-cli:stable")
  })
  default = {}
}

variable "provider_keys" {
  description = "The providers' keys that this desk has, such as `ENTSOE_SECURITY_TOKEN`. Each one's secret needs a version before it is named here; `secret_names` in the outputs says which secrets there are."
  type        = set(string)
  default     = []

  validation {
    condition     = length(setsubtract(var.provider_keys, jsondecode(file("${path.module}/catalogue.json")).keys)) == 0
    error_message = "No source asks for one of these keys; catalogue.json lists those that sources ask for."
  }
}

variable "passwords" {
  description = "The passwords that processes use among themselves. They are handed over at an apply, and are neither in the state nor in a plan."
  type = object({
    database       = string
    valkey         = string
    influxdb_token = string
    influxdb_admin = string
    grafana_admin  = string
  })
  sensitive = true
  ephemeral = true

  validation {
    condition     = alltrue([for one in values(var.passwords) : can(regex("^[A-Za-z0-9_-]{20,100}$", one))])
    error_message = "20 to 100 letters, digits, dashes and underscores each: they stand in addresses as they are."
  }
}

variable "passwords_version" {
  description = "Raise it by one to hand over new passwords."
  type        = number
  default     = 1
}

variable "collectors" {
  description = "How many collectors share the sources: the scaler keeps between these. Each source has one owner among them."
  type        = object({ least = number, most = number })
  default     = { least = 1, most = 3 }

  validation {
    condition     = 1 <= var.collectors.least && var.collectors.least <= var.collectors.most
    error_message = "At least one collector, and no fewer at most than at least."
  }
}

variable "workers" {
  description = "How many workers run micro-batches: the scaler keeps between these."
  type        = object({ least = number, most = number })
  default     = { least = 1, most = 6 }

  validation {
    condition     = 1 <= var.workers.least && var.workers.least <= var.workers.most
    error_message = "At least one worker, and no fewer at most than at least."
  }
}

variable "sizes" {
  description = "CPU and memory of one instance of each kind of process. Cloud Run wants 2 GiB for more than one CPU, and 4 CPUs for more than 16 GiB."
  type = object({
    collector = optional(object({ cpu = string, memory = string }), { cpu = "1", memory = "2Gi" })
    worker    = optional(object({ cpu = string, memory = string }), { cpu = "2", memory = "4Gi" })
    hot_lane  = optional(object({ cpu = string, memory = string }), { cpu = "1", memory = "2Gi" })
    control   = optional(object({ cpu = string, memory = string }), { cpu = "1", memory = "2Gi" })
    web       = optional(object({ cpu = string, memory = string }), { cpu = "1", memory = "2Gi" })
    small     = optional(object({ cpu = string, memory = string }), { cpu = "1", memory = "1Gi" })
    replay    = optional(object({ cpu = string, memory = string }), { cpu = "2", memory = "8Gi" })
  })
  default = {}
}

variable "dashboards" {
  description = "How many instances of the traders' dashboard there may be."
  type        = number
  default     = 1
}

variable "replay_tasks" {
  description = "Over how many tasks a replay is spread, and how many of them run at once."
  type        = object({ tasks = number, at_once = number })
  default     = { tasks = 8, at_once = 8 }
}

variable "database" {
  description = "The Postgres that keeps what several machines share. `REGIONAL` has a standby in another zone, and costs twice."
  type = object({
    tier         = optional(string, "db-custom-1-3840")
    availability = optional(string, "ZONAL")
    disk_gb      = optional(number, 20)
    connections  = optional(number, 200)
  })
  default = {}

  validation {
    condition     = contains(["ZONAL", "REGIONAL"], var.database.availability)
    error_message = "The availability is ZONAL or REGIONAL."
  }
}

variable "managed_broker" {
  description = "Whether the broker is a Memorystore for Valkey; otherwise a Valkey runs beside InfluxDB on the stores' machine."
  type        = bool
  default     = true
}

variable "stores" {
  description = "The machine for InfluxDB and Grafana, and the size of its disk of data."
  type = object({
    machine_type = optional(string, "e2-standard-2")
    disk_gb      = optional(number, 100)
    disk_type    = optional(string, "pd-balanced")
  })
  default = {}
}

variable "hot_days" {
  description = "How many days of points InfluxDB keeps."
  type        = number
  default     = 14
}

variable "linger_seconds" {
  description = "How long a collector gathers messages before it writes an object: the price of landing is counted in writes."
  type        = number
  default     = 2
}

variable "landing" {
  description = "After how many days raw messages move to cheaper storage, and how long what was deleted can be brought back."
  type = object({
    nearline_after_days  = optional(number, 90)
    archive_after_days   = optional(number, 365)
    restorable_for_days  = optional(number, 7)
    backups_kept_days    = optional(number, 35)
    backups_can_t_change = optional(bool, false)
  })
  default = {}
}

variable "deletion_protection" {
  description = "Whether Terraform refuses to delete what can't be made again: tables, buckets with objects, the database, the disk."
  type        = bool
  default     = true
}

variable "dashboard_viewers" {
  description = "Who passes the Identity-Aware Proxy before the dashboard: `user:…`, `group:…` or `domain:…`. The platform's own list of users decides what each may see."
  type        = set(string)
  default     = []
}

variable "operators" {
  description = "Who passes the Identity-Aware Proxy before the Dagster UI, and may open a tunnel to Grafana."
  type        = set(string)
  default     = []
}

variable "users" {
  description = "The platform's user list, the text of `access/users.json`. It has no passwords where the proxy says who somebody is, so it is in the state as it stands."
  type        = string
  default     = "{\"users\": {}}"
}

variable "alerts" {
  description = "Where alerts go, and from when on. A lag counts in multiples of what a source's own file allows."
  type = object({
    emails             = optional(set(string), [])
    lag_factor         = optional(number, 2)
    lag_minutes        = optional(number, 10)
    backlog_messages   = optional(number, 20000)
    monthly_budget     = optional(number, 1000)
    budget_currency    = optional(string, "USD")
    unacknowledged_min = optional(number, 10)
  })
  default = {}
}

variable "billing_account" {
  description = "The billing account whose budget is watched; null leaves the budget alarm out, which needs a right on the account."
  type        = string
  default     = null
}
