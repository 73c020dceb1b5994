# A desk's first platform: one of each process, the broker beside InfluxDB, the smallest Postgres.
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

  managed_broker = false
  collectors     = { least = 1, most = 1 }
  workers        = { least = 1, most = 2 }
  stores         = { machine_type = "e2-medium", disk_gb = 50 }
  database       = { tier = "db-f1-micro", connections = 50, disk_gb = 10 }
  linger_seconds = 5
  alerts         = { emails = var.emails, monthly_budget = 500 }
}
