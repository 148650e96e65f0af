// SPDX-License-Identifier: Apache-2.0
/** The SPI for those who want a whole Pekko {@code Flow} in place of a filter: {@link dev.sluice.flow.FlowFactory}. */
@NullMarked
package dev.sluice.flow;

import org.jspecify.annotations.NullMarked;
