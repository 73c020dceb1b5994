# Processes that end: the tasks of a replay, which Dagster launches, and what a deployment or the scheduler starts.
locals {
  jobs = {
    # Brings Dagster's storage to the image's version: a deployment runs it before the processes.
    prepare = { schedule = null, args = ["run", "prepare"], account = "control", timeout = "900s" }

    # Reads all that is stored and names what is damaged; an alert tells when it fails.
    verify = { schedule = "0 4 * * 0", args = ["verify"], account = "worker", timeout = "21600s" }
  }

  schedules = { for name, one in local.jobs : name => one.schedule if one.schedule != null }
}

resource "google_cloud_run_v2_job" "replay" {
  project             = var.project
  name                = "${var.name}-replay"
  location            = var.region
  labels              = local.labels
  deletion_protection = false

  template {
    task_count  = var.replay_tasks.tasks
    parallelism = var.replay_tasks.at_once
    labels      = local.labels

    template {
      service_account = google_service_account.process["replay"].email
      max_retries     = 3 # a task that runs again writes the same file
      timeout         = "86400s"

      vpc_access {
        egress = "ALL_TRAFFIC"
        network_interfaces {
          network    = google_compute_network.this.id
          subnetwork = google_compute_subnetwork.processes.id
          tags       = [local.process_tag]
        }
      }

      containers {
        image = var.image
        args  = ["replay", "stage"] # what it is about comes with each execution

        resources {
          limits = var.sizes.replay
        }

        dynamic "env" {
          for_each = local.settings
          content {
            name  = env.key
            value = env.value
          }
        }

        dynamic "env" {
          for_each = local.secret_variables["replay"]
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

        volume_mounts {
          name       = "home"
          mount_path = local.home
        }
      }

      volumes {
        name = "home"
        empty_dir {
          medium     = "MEMORY"
          size_limit = "2Gi"
        }
      }
    }
  }

  depends_on = [google_secret_manager_secret_iam_member.reader, google_secret_manager_secret_version.state_url]
}

resource "google_cloud_run_v2_job" "other" {
  for_each = local.jobs

  project             = var.project
  name                = "${var.name}-${each.key}"
  location            = var.region
  labels              = local.labels
  deletion_protection = false

  template {
    task_count = 1
    labels     = local.labels

    template {
      service_account = google_service_account.process[each.value.account].email
      max_retries     = 1
      timeout         = each.value.timeout

      vpc_access {
        egress = "ALL_TRAFFIC"
        network_interfaces {
          network    = google_compute_network.this.id
          subnetwork = google_compute_subnetwork.processes.id
          tags       = [local.process_tag]
        }
      }

      containers {
        image = var.image
        args  = each.value.args

        resources {
          limits = var.sizes.worker
        }

        dynamic "env" {
          for_each = local.settings
          content {
            name  = env.key
            value = env.value
          }
        }

        dynamic "env" {
          for_each = local.secret_variables[each.value.account]
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

        volume_mounts {
          name       = "home"
          mount_path = local.home
        }
      }

      volumes {
        name = "home"
        empty_dir {
          medium     = "MEMORY"
          size_limit = "512Mi"
        }
      }
    }
  }

  depends_on = [
    google_secret_manager_secret_iam_member.reader,
    google_secret_manager_secret_version.state_url,
    google_secret_manager_secret_version.broker_url,
    google_secret_manager_secret_version.influxdb_token,
  ]
}

resource "google_cloud_scheduler_job" "scheduled" {
  for_each = local.schedules

  project          = var.project
  region           = var.region
  name             = "${var.name}-${each.key}"
  schedule         = each.value
  time_zone        = "Etc/UTC"
  attempt_deadline = "180s"

  retry_config {
    retry_count          = 3
    min_backoff_duration = "60s"
  }

  http_target {
    http_method = "POST"
    uri         = "https://run.googleapis.com/v2/${google_cloud_run_v2_job.other[each.key].id}:run"

    oauth_token {
      service_account_email = google_service_account.process["scheduler"].email
      scope                 = "https://www.googleapis.com/auth/cloud-platform"
    }
  }
}
