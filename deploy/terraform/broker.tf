# The Celery broker: runs that wait for a worker. It is no truth: the sensors ask again for what was lost.
resource "google_network_connectivity_service_connection_policy" "valkey" {
  count = var.managed_broker ? 1 : 0

  project       = var.project
  name          = "${var.name}-valkey"
  location      = var.region
  service_class = "gcp-memorystore"
  network       = google_compute_network.this.id

  psc_config {
    subnetworks = [google_compute_subnetwork.processes.id]
  }
}

# Celery can't follow a cluster, so it is one shard without cluster mode. Celery has no login by IAM either: whoever is
# in the network may ask it, as the network lets nobody else in.
resource "google_memorystore_instance" "broker" {
  count = var.managed_broker ? 1 : 0

  project                     = var.project
  instance_id                 = "${var.name}-broker"
  location                    = var.region
  engine_version              = "VALKEY_8_0"
  mode                        = "CLUSTER_DISABLED"
  shard_count                 = 1
  replica_count               = 1
  node_type                   = "SHARED_CORE_NANO"
  authorization_mode          = "AUTH_DISABLED"
  transit_encryption_mode     = "TRANSIT_ENCRYPTION_DISABLED"
  deletion_protection_enabled = false # what it holds is asked for again
  labels                      = local.labels

  # Tasks must never be evicted: a full broker refuses, and the sensors ask again.
  engine_configs = {
    maxmemory-policy = "noeviction"
  }

  persistence_config {
    mode = "AOF"
    aof_config {
      append_fsync = "EVERY_SEC"
    }
  }

  desired_auto_created_endpoints {
    network    = google_compute_network.this.id
    project_id = var.project
  }

  depends_on = [google_network_connectivity_service_connection_policy.valkey]
}

locals {
  broker_host = var.managed_broker ? google_memorystore_instance.broker[0].discovery_endpoints[0].address : google_compute_address.stores.address
}
