# One network for processes and stores. Nothing in it has an address that the internet reaches; what it asks for goes
# out through the NAT, and Google's own services are reached inside.
resource "google_compute_network" "this" {
  project                 = var.project
  name                    = var.name
  auto_create_subnetworks = false
  depends_on              = [google_project_service.api]
}

resource "google_compute_subnetwork" "processes" {
  project                  = var.project
  name                     = "${var.name}-processes"
  region                   = var.region
  network                  = google_compute_network.this.id
  ip_cidr_range            = "10.20.0.0/22" # Cloud Run wants up to two addresses an instance while a revision changes
  private_ip_google_access = true

  log_config {
    aggregation_interval = "INTERVAL_10_MIN"
    flow_sampling        = 0.1
    metadata             = "INCLUDE_ALL_METADATA"
  }
}

resource "google_compute_router" "this" {
  project = var.project
  name    = var.name
  region  = var.region
  network = google_compute_network.this.id
}

# Providers that allow addresses one by one get this one.
resource "google_compute_address" "outside" {
  project = var.project
  name    = "${var.name}-outside"
  region  = var.region
}

resource "google_compute_router_nat" "this" {
  project                            = var.project
  name                               = var.name
  region                             = var.region
  router                             = google_compute_router.this.name
  nat_ip_allocate_option             = "MANUAL_ONLY"
  nat_ips                            = [google_compute_address.outside.self_link]
  source_subnetwork_ip_ranges_to_nat = "ALL_SUBNETWORKS_ALL_IP_RANGES"

  log_config {
    enable = true
    filter = "ERRORS_ONLY"
  }
}

# Cloud SQL's side of the network.
resource "google_compute_global_address" "services" {
  project       = var.project
  name          = "${var.name}-services"
  network       = google_compute_network.this.id
  purpose       = "VPC_PEERING"
  address_type  = "INTERNAL"
  prefix_length = 20
}

resource "google_service_networking_connection" "services" {
  network                 = google_compute_network.this.id
  service                 = "servicenetworking.googleapis.com"
  reserved_peering_ranges = [google_compute_global_address.services.name]
}

resource "google_compute_firewall" "stores" {
  project     = var.project
  name        = "${var.name}-stores"
  network     = google_compute_network.this.name
  description = "Processes reach InfluxDB, and the Valkey beside it where there is no managed one."
  direction   = "INGRESS"

  source_tags = [local.process_tag]
  target_tags = [local.stores_tag]

  allow {
    protocol = "tcp"
    ports    = var.managed_broker ? ["8086"] : ["8086", "6379"]
  }
}

resource "google_compute_firewall" "tunnel" {
  project       = var.project
  name          = "${var.name}-tunnel"
  network       = google_compute_network.this.name
  description   = "Operators reach Grafana and the machine's shell through the Identity-Aware Proxy's tunnel."
  direction     = "INGRESS"
  source_ranges = ["35.235.240.0/20"] # the proxy's addresses, as Google documents them
  target_tags   = [local.stores_tag]

  allow {
    protocol = "tcp"
    ports    = ["22", "3000"]
  }
}

locals {
  process_tag = "${var.name}-process"
  stores_tag  = "${var.name}-stores"
}
