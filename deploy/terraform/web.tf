# Processes that people reach, each behind Google's Identity-Aware Proxy: the traders' dashboard, and for operators the
# same dashboard with the Dagster UI behind its guard. The proxy says who somebody is; the platform's list of users says
# what each may do.
locals {
  web = {
    dashboard = {
      most       = var.dashboards
      people     = var.dashboard_viewers
      settings   = {}
      containers = { dashboard = { port = 8080, after = null } }
    }
    ui = {
      most   = 1
      people = var.operators
      settings = {
        ENERGY_PLATFORM_CODE_SERVER_ADDRESS = "127.0.0.1:4000"
        ENERGY_PLATFORM_WEBSERVER_ADDRESS   = "127.0.0.1:4001"
      }
      containers = {
        dashboard   = { port = 8080, after = ["webserver"] }
        webserver   = { port = null, after = ["code-server"] }
        code-server = { port = null, after = null }
      }
    }
  }

  iap_agent = "serviceAccount:service-${data.google_project.this.number}@gcp-sa-iap.iam.gserviceaccount.com"

  # Cloud Run's own addresses are known before the services are.
  web_urls = { for name in keys(local.web) : name => "https://${var.name}-${name}-${data.google_project.this.number}.${var.region}.run.app" }
}

resource "google_cloud_run_v2_service" "web" {
  for_each = local.web

  project             = var.project
  name                = "${var.name}-${each.key}"
  location            = var.region
  description         = local.accounts[each.key]
  labels              = local.labels
  ingress             = "INGRESS_TRAFFIC_ALL" # the proxy stands before it, and lets in those who are named
  iap_enabled         = true
  deletion_protection = false # a process keeps nothing

  template {
    service_account                  = google_service_account.process[each.key].email
    labels                           = local.labels
    session_affinity                 = true
    timeout                          = "3600s" # pages follow new rows over one long connection
    max_instance_request_concurrency = 250

    scaling {
      min_instance_count = 1
      max_instance_count = each.value.most
    }

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
        image      = var.image
        args       = ["run", containers.key]
        depends_on = containers.value.after

        resources {
          limits            = var.sizes.web
          cpu_idle          = false # it follows the live bus between requests too
          startup_cpu_boost = true
        }

        dynamic "ports" {
          for_each = containers.value.port == null ? [] : [containers.value.port]
          content {
            container_port = ports.value
          }
        }

        dynamic "startup_probe" {
          for_each = containers.key == "code-server" ? { 4000 = 30 } : containers.key == "webserver" ? { 4001 = 30 } : { 8080 = 30 }
          content {
            period_seconds    = 4
            timeout_seconds   = 2
            failure_threshold = startup_probe.value
            tcp_socket {
              port = startup_probe.key
            }
          }
        }

        dynamic "env" {
          for_each = merge(local.settings, each.value.settings, {
            ENERGY_PLATFORM_DASHBOARD_HOST    = "0.0.0.0"
            ENERGY_PLATFORM_DASHBOARD_PORT    = "8080"
            ENERGY_PLATFORM_DASHBOARD_URL     = local.web_urls[each.key]
            ENERGY_PLATFORM_LOGIN             = "proxy"
            ENERGY_PLATFORM_PROXY_ADDRESS     = "169.254.0.0/16" # Cloud Run's front end, the one way in
            ENERGY_PLATFORM_PROXY_USER_HEADER = "X-Goog-Authenticated-User-Email"
            ENERGY_PLATFORM_USER_LIST         = "/etc/energy-platform/users.json"
          })
          content {
            name  = env.key
            value = env.value
          }
        }

        dynamic "env" {
          for_each = local.secret_variables[each.key]
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

        volume_mounts {
          name       = "users"
          mount_path = "/etc/energy-platform"
        }
      }
    }

    # The containers of an instance share it.
    volumes {
      name = "home"
      empty_dir {
        medium     = "MEMORY"
        size_limit = "512Mi"
      }
    }

    volumes {
      name = "users"
      secret {
        secret       = google_secret_manager_secret.this["users"].secret_id
        default_mode = 292 # 0444: the process is not the one who mounts it
        items {
          path    = "users.json"
          version = "latest"
        }
      }
    }
  }

  depends_on = [
    google_secret_manager_secret_iam_member.reader,
    google_secret_manager_secret_version.state_url,
    google_secret_manager_secret_version.broker_url,
    google_secret_manager_secret_version.influxdb_token,
    google_secret_manager_secret_version.users,
  ]
}

# The proxy alone may call the services.
resource "google_cloud_run_v2_service_iam_member" "proxy" {
  for_each = local.web

  project  = var.project
  location = var.region
  name     = google_cloud_run_v2_service.web[each.key].name
  role     = "roles/run.invoker"
  member   = local.iap_agent
}

resource "google_iap_web_cloud_run_service_iam_member" "people" {
  for_each = merge([
    for service, one in local.web : { for who in one.people : "${service} for ${who}" => { service = service, who = who } }
  ]...)

  project                = var.project
  location               = var.region
  cloud_run_service_name = google_cloud_run_v2_service.web[each.value.service].name
  role                   = "roles/iap.httpsResourceAccessor"
  member                 = each.value.who
}
