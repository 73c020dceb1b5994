# Processes without an address: Cloud Run's worker pools. A pool takes a manual count only. The scaler sets that of
# `collector` and `worker`, and an apply leaves it as it is; of the others there is one.
locals {
  scaled = {
    collector = var.collectors
    worker    = var.workers
  }

  pools = {
    collector = { size = var.sizes.collector, settings = {}, containers = { collector = {} } }
    worker = {
      size = var.sizes.worker
      settings = {
        ENERGY_PLATFORM_REPLAY_RUNNER = "cloud_run"
        ENERGY_PLATFORM_REPLAY_JOB    = google_cloud_run_v2_job.replay.id
        ENERGY_PLATFORM_REPLAY_TASKS  = tostring(var.replay_tasks.tasks)
      }
      containers = { worker = {} }
    }
    hot-lane = { size = var.sizes.hot_lane, settings = {}, containers = { hot-lane = {} } }

    # One daemon, with the code server that it asks: Dagster wants one of each.
    control = {
      size = var.sizes.control
      settings = {
        ENERGY_PLATFORM_CODE_SERVER_ADDRESS = "127.0.0.1:4000"
        # Sensors may ask for so many runs at once; those that wait let the scaler start workers.
        ENERGY_PLATFORM_WORKERS = tostring(var.workers.most)
      }
      containers = { code-server = {}, daemon = { after = ["code-server"] } }
    }

    scaler = {
      size = var.sizes.small
      settings = {
        ENERGY_PLATFORM_SCALE_POOLS            = "projects/${var.project}/locations/${var.region}/workerPools/${var.name}-"
        ENERGY_PLATFORM_SCALE_WORKERS_LEAST    = tostring(var.workers.least)
        ENERGY_PLATFORM_SCALE_WORKERS_MOST     = tostring(var.workers.most)
        ENERGY_PLATFORM_SCALE_COLLECTORS_LEAST = tostring(var.collectors.least)
        ENERGY_PLATFORM_SCALE_COLLECTORS_MOST  = tostring(var.collectors.most)
      }
      containers = { scaler = { args = ["scale"] } }
    }

    # The metrics process answers on loopback; the container beside it asks it, and writes to Cloud Monitoring.
    metrics = {
      size       = var.sizes.small
      settings   = {}
      containers = { metrics = {}, reader = { image = var.images.metrics_reader } }
    }
  }
}

resource "google_cloud_run_v2_worker_pool" "this" {
  for_each = local.pools

  project             = var.project
  name                = "${var.name}-${each.key}"
  location            = var.region
  description         = local.accounts[each.key]
  labels              = local.labels
  deletion_protection = false # a process keeps nothing

  scaling {
    manual_instance_count = try(local.scaled[each.key].least, 1)
  }

  template {
    service_account = google_service_account.process[each.key].email
    labels          = local.labels

    vpc_access {
      egress = "ALL_TRAFFIC"
      network_interfaces {
        network    = google_compute_network.this.id
        subnetwork = google_compute_subnetwork.processes.id
        tags       = [local.process_tag]
      }
    }

    dynamic "containers" {
      for_each = each.value.containers
      content {
        name       = containers.key
        image      = try(containers.value.image, var.image)
        args       = can(containers.value.image) ? null : try(containers.value.args, ["run", containers.key])
        depends_on = try(containers.value.after, null)

        resources {
          limits = can(containers.value.image) ? { cpu = "0.5", memory = "256Mi" } : each.value.size
        }

        dynamic "env" {
          for_each = can(containers.value.image) ? {} : merge(local.settings, each.value.settings)
          content {
            name  = env.key
            value = env.value
          }
        }

        dynamic "env" {
          for_each = can(containers.value.image) ? {} : local.secret_variables[each.key]
          content {
            name = env.key
            value_source {
              secret_key_ref {
                secret  = env.value
                version = "latest"
              }
            }
          }
        }

        dynamic "volume_mounts" {
          for_each = can(containers.value.image) ? [] : [local.home]
          content {
            name       = "home"
            mount_path = volume_mounts.value
          }
        }

        dynamic "volume_mounts" {
          for_each = can(containers.value.image) ? ["/etc/rungmp"] : []
          content {
            name       = "reader"
            mount_path = volume_mounts.value
          }
        }
      }
    }

    volumes {
      name = "home"
      empty_dir {
        medium     = "MEMORY"
        size_limit = "512Mi"
      }
    }

    dynamic "volumes" {
      for_each = each.key == "metrics" ? [1] : []
      content {
        name = "reader"
        secret {
          secret       = google_secret_manager_secret.reader.secret_id
          default_mode = 292 # 0444: the process is not the one who mounts it
          items {
            path    = "config.yaml"
            version = google_secret_manager_secret_version.reader.version
          }
        }
      }
    }
  }

  lifecycle {
    ignore_changes = [scaling[0].manual_instance_count]
  }

  depends_on = [
    google_secret_manager_secret_iam_member.reader,
    google_secret_manager_secret_iam_member.metrics_reader,
    google_secret_manager_secret_version.state_url,
    google_secret_manager_secret_version.broker_url,
    google_secret_manager_secret_version.influxdb_token,
  ]
}

# What the metrics' reader asks; it looks for a file, and a secret is the way to give a container one.
resource "google_secret_manager_secret" "reader" {
  project   = var.project
  secret_id = "${var.name}-metrics-reader"
  labels    = local.labels

  replication {
    user_managed {
      replicas {
        location = var.region
      }
    }
  }

  depends_on = [google_project_service.api]
}

resource "google_secret_manager_secret_version" "reader" {
  secret = google_secret_manager_secret.reader.id
  secret_data = yamlencode({
    apiVersion = "monitoring.googleapis.com/v1beta"
    kind       = "RunMonitoring"
    metadata   = { name = var.name }
    spec = {
      endpoints = [{ port = 9464, path = "/metrics", interval = "60s" }]
      limits    = { samples = 20000 }
    }
  })
}

resource "google_secret_manager_secret_iam_member" "metrics_reader" {
  project   = var.project
  secret_id = google_secret_manager_secret.reader.secret_id
  role      = "roles/secretmanager.secretAccessor"
  member    = google_service_account.process["metrics"].member
}
