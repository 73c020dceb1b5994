# The machine with InfluxDB and Grafana, and with the broker where there is no managed one. What it keeps is on a disk
# of its own, so the machine can be made anew. InfluxDB is never the truth: the hot lane fills it again.
resource "google_compute_address" "stores" {
  project      = var.project
  name         = "${var.name}-stores"
  region       = var.region
  subnetwork   = google_compute_subnetwork.processes.id
  address_type = "INTERNAL"
  purpose      = "GCE_ENDPOINT"
}

resource "google_compute_disk" "stores" {
  project = var.project
  name    = "${var.name}-stores"
  zone    = "${var.region}-${var.zone}"
  type    = var.stores.disk_type
  size    = var.stores.disk_gb
  labels  = local.labels

  lifecycle {
    prevent_destroy = false # see `deletion_protection` of the machine, which holds it
  }
}

resource "google_compute_resource_policy" "snapshots" {
  project = var.project
  name    = "${var.name}-snapshots"
  region  = var.region

  snapshot_schedule_policy {
    schedule {
      daily_schedule {
        days_in_cycle = 1
        start_time    = "03:00"
      }
    }

    retention_policy {
      max_retention_days    = 14
      on_source_disk_delete = "KEEP_AUTO_SNAPSHOTS"
    }

    snapshot_properties {
      labels            = local.labels
      storage_locations = [var.region]
    }
  }
}

resource "google_compute_disk_resource_policy_attachment" "snapshots" {
  project = var.project
  name    = google_compute_resource_policy.snapshots.name
  disk    = google_compute_disk.stores.name
  zone    = google_compute_disk.stores.zone
}

resource "google_compute_instance" "stores" {
  project                   = var.project
  name                      = "${var.name}-stores"
  zone                      = "${var.region}-${var.zone}"
  machine_type              = var.stores.machine_type
  description               = local.accounts["stores"]
  labels                    = local.labels
  tags                      = [local.stores_tag]
  deletion_protection       = var.deletion_protection
  allow_stopping_for_update = true

  boot_disk {
    initialize_params {
      image = "projects/cos-cloud/global/images/family/cos-stable"
      size  = 20
      type  = "pd-balanced"
    }
  }

  attached_disk {
    source      = google_compute_disk.stores.id
    device_name = "stores"
  }

  network_interface {
    subnetwork = google_compute_subnetwork.processes.id
    network_ip = google_compute_address.stores.address
  }

  service_account {
    email  = google_service_account.process["stores"].email
    scopes = ["cloud-platform"] # the account's roles are the bound
  }

  shielded_instance_config {
    enable_secure_boot          = true
    enable_vtpm                 = true
    enable_integrity_monitoring = true
  }

  scheduling {
    automatic_restart   = true
    on_host_maintenance = "MIGRATE"
  }

  metadata = {
    block-project-ssh-keys = "true"
    enable-oslogin         = "true"
    google-logging-enabled = "true"

    user-data = templatefile("${path.module}/templates/stores.yaml.tftpl", {
      influxdb     = "${local.mirror}/${var.images.influxdb}"
      grafana      = "${local.mirror}/${var.images.grafana}"
      valkey       = "${local.mirror}/${var.images.valkey}"
      google_cloud = var.images.google_cloud
      registry     = "${var.region}-docker.pkg.dev"
      with_valkey  = !var.managed_broker
      prefix       = var.name
      project      = var.project
      org          = local.influxdb.org
      bucket       = local.influxdb.bucket
      hot_days     = var.hot_days
      backups      = google_storage_bucket.backups.name
    })
  }

  depends_on = [
    google_compute_router_nat.this,
    google_artifact_registry_repository_iam_member.stores,
    google_secret_manager_secret_iam_member.reader,
    google_secret_manager_secret_version.influxdb_token,
    google_secret_manager_secret_version.influxdb_admin,
    google_secret_manager_secret_version.grafana_admin,
    google_secret_manager_secret_version.valkey,
  ]
}

# Who may open a tunnel to Grafana and to the machine.
resource "google_project_iam_member" "tunnel" {
  for_each = var.operators

  project = var.project
  role    = "roles/iap.tunnelResourceAccessor"
  member  = each.value

  condition {
    title       = "to the stores' machine"
    description = "Grafana, and the machine's shell"
    expression  = "destination.ip == \"${google_compute_address.stores.address}\" && destination.port in [22, 3000]"
  }
}
