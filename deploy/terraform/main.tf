# What the files share. One file per concern: network, storage, warehouse, pubsub, state, broker, secrets, accounts,
# pools (processes without an address), web (those with one), jobs, stores (InfluxDB and Grafana), alerts.
locals {
  catalogue = jsondecode(file("${path.module}/catalogue.json"))

  labels = { platform = var.name }

  apis = toset([
    "artifactregistry.googleapis.com",
    "bigquery.googleapis.com",
    "bigquerystorage.googleapis.com",
    "billingbudgets.googleapis.com",
    "cloudscheduler.googleapis.com",
    "compute.googleapis.com",
    "iap.googleapis.com",
    "logging.googleapis.com",
    "memorystore.googleapis.com",
    "monitoring.googleapis.com",
    "networkconnectivity.googleapis.com",
    "pubsub.googleapis.com",
    "run.googleapis.com",
    "secretmanager.googleapis.com",
    "servicenetworking.googleapis.com",
    "sqladmin.googleapis.com",
    "storage.googleapis.com",
  ])

  # What every process is told; the outputs have the same for a process outside.
  settings = {
    ENERGY_PLATFORM_MARKETS           = "live"
    ENERGY_PLATFORM_HOME              = local.home
    ENERGY_PLATFORM_LANDING           = "gs://${google_storage_bucket.landing.name}/landing"
    ENERGY_PLATFORM_LEASES            = "gs://${google_storage_bucket.leases.name}/leases"
    ENERGY_PLATFORM_LINGER_SECONDS    = tostring(var.linger_seconds)
    ENERGY_PLATFORM_WAREHOUSE         = "bigquery"
    ENERGY_PLATFORM_BIGQUERY_PROJECT  = var.project
    ENERGY_PLATFORM_BIGQUERY_DATASET  = google_bigquery_dataset.warehouse.dataset_id
    ENERGY_PLATFORM_BIGQUERY_LOCATION = var.bigquery_location
    ENERGY_PLATFORM_HOT_STORE         = "influxdb"
    ENERGY_PLATFORM_HOT_DAYS          = tostring(var.hot_days)
    ENERGY_PLATFORM_INFLUXDB_URL      = "http://${google_compute_address.stores.address}:8086"
    ENERGY_PLATFORM_INFLUXDB_API      = "v2"
    ENERGY_PLATFORM_INFLUXDB_ORG      = local.influxdb.org
    ENERGY_PLATFORM_INFLUXDB_BUCKET   = local.influxdb.bucket
    ENERGY_PLATFORM_LIVE_BUS          = "pubsub://${var.project}/${var.name}"
  }

  # An instance's own folder; what must outlive the instance is in the stores.
  home     = "/var/lib/energy-platform"
  influxdb = { org = "energy", bucket = "energy" }
}

data "google_project" "this" {
  project_id = var.project
}

resource "google_project_service" "api" {
  for_each = local.apis

  project            = var.project
  service            = each.key
  disable_on_destroy = false # others in the project may use it
}
