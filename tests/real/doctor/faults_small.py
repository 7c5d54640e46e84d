"""Faults that a small environment can have: stub wheels with real metadata, configuration, models, photos."""

from __future__ import annotations

import faults_companions
import faults_files
import faults_machine
import faults_settings
import faults_torch

AREAS = (faults_torch, faults_companions, faults_settings, faults_files, faults_machine)
# fault → (the id that must name it, its status)
FAULTS = {fault: named for area in AREAS for fault, named in area.FAULTS.items()}
# What --fix mends by itself without fetching anything.
MENDED = (*faults_companions.MENDED, *faults_settings.MENDED, *faults_files.MENDED)
