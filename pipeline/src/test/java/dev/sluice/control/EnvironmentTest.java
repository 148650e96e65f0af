// SPDX-License-Identifier: Apache-2.0
package dev.sluice.control;

import static org.assertj.core.api.Assertions.assertThat;

import dev.sluice.filter.Problems;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

final class EnvironmentTest {

    private static final String TOPOLOGY = """
            sluice {
              sources { fpga { type = simulated } }
              filters { odd { type = misbehaving, from = fpga, how = %s, in-frame = 1 } }
              sinks { out { type = discard, from = odd } }
            }
            """;

    @ParameterizedTest
    @CsvSource({
        "cannot-be-made, 'it cannot be made: java.lang.IllegalStateException: no licence found'",
        "is-null, 'its factory made no filter, but null'"
    })
    void aFilterThatCannotBeMadeIsAProblem(String how, String problem) {
        assertThat(Environment.problems(TopologyTexts.valid(TOPOLOGY.formatted(how))))
                .extracting(Problems.Problem::text)
                .containsExactly("filters.odd.type: " + problem);
    }

    @Test
    void oneThatCanIsNone() {
        assertThat(Environment.problems(TopologyTexts.valid(TOPOLOGY.formatted("throws"))))
                .isEmpty();
    }
}
