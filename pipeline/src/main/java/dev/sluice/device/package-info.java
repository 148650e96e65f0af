// SPDX-License-Identifier: Apache-2.0
/**
 * Where filled buffers come from: {@link dev.sluice.device.BufferDevice}, which is the driver's
 * {@link dev.sluice.device.DriverDevice} or one of two stand-ins that need no kernel module,
 * {@link dev.sluice.device.SimulatedDevice} and {@link dev.sluice.device.ReplayDevice}.
 *
 * <p>A device lends buffers and takes them back; {@link dev.sluice.device.BufferLedger} is the one place where a
 * stand-in's buffers change hands, with the states and counts that the driver has.
 *
 * <p>Threading: acquire, release and close belong to the stream's thread; counts may be read by any.
 */
@NullMarked
package dev.sluice.device;

import org.jspecify.annotations.NullMarked;
