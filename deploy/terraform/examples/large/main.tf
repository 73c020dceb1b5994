# A trading floor: collectors and workers that grow with what there is to do, a Postgres with a standby, a managed
# broker, and a machine for the hot store that carries 10 million points a day.
module "platform" {
  source = "../.."

  project           = var.project
  region            = var.region
  image             = var.image
  provider_keys     = var.provider_keys
  passwords         = var.passwords
  users             = var.users
  operators         = var.operators
  dashboard_viewers = var.dashboard_viewers
  billing_account   = var.billing_account

  collectors     = { least = 2, most = 6 }
  workers        = { least = 3, most = 24 }
  dashboards     = 4
  replay_tasks   = { tasks = 64, at_once = 32 }
  stores         = { machine_type = "n2-highmem-4", disk_gb = 500, disk_type = "pd-ssd" }
  database       = { tier = "db-custom-4-15360", availability = "REGIONAL", connections = 500, disk_gb = 100 }
  linger_seconds = 1
  landing        = { restorable_for_days = 14, backups_kept_days = 90, backups_can_t_change = true }
  alerts         = { emails = var.emails, monthly_budget = 6000, backlog_messages = 100000 }

  sizes = {
    worker   = { cpu = "4", memory = "8Gi" }
    hot_lane = { cpu = "2", memory = "4Gi" }
    control  = { cpu = "2", memory = "4Gi" }
    web      = { cpu = "2", memory = "4Gi" }
    replay   = { cpu = "4", memory = "16Gi" }
  }
}
