// SPDX-License-Identifier: Apache-2.0
package dev.sluice.filter;

import static org.assertj.core.api.Assertions.assertThat;

import com.typesafe.config.ConfigOrigin;
import com.typesafe.config.ConfigOriginFactory;
import java.util.List;
import org.junit.jupiter.api.Test;

final class ProblemsTest {

    private final Problems problems = new Problems();
    private final ConfigOrigin file = ConfigOriginFactory.newFile("/etc/a.conf");

    private List<String> lines() {
        return problems.sorted().stream().map(Problems.Problem::toString).toList();
    }

    @Test
    void areToldInTheOrderOfTheFileAndThoseOfTheWholeFileFirst() {
        problems.add(file.withLineNumber(12), "twelve");
        problems.add(file.withLineNumber(3), "three");
        problems.add(file, "whole");
        problems.add(file.withLineNumber(3), "also three");
        assertThat(lines())
                .containsExactly(
                        "/etc/a.conf: whole",
                        "/etc/a.conf:3: three",
                        "/etc/a.conf:3: also three",
                        "/etc/a.conf:12: twelve");
    }

    @Test
    void theSameIsToldOnce() {
        problems.add(file.withLineNumber(3), "three");
        problems.add(file.withLineNumber(3), "three");
        assertThat(lines()).containsExactly("/etc/a.conf:3: three");
    }

    @Test
    void aTextThatIsNoFileIsNamedByItsDescription() {
        problems.add(ConfigOriginFactory.newSimple("the demo"), "wrong");
        assertThat(lines()).containsExactly("the demo: wrong");
    }

    @Test
    void theLineOfATextThatIsNoFileIsToldOnce() {
        problems.add(ConfigOriginFactory.newSimple("the demo").withLineNumber(3), "wrong");
        assertThat(lines()).containsExactly("the demo:3: wrong");
    }

    @Test
    void isEmptyUntilThereIsOne() {
        assertThat(problems.isEmpty()).isTrue();
        problems.add(file, "wrong");
        assertThat(problems.isEmpty()).isFalse();
    }

    @Test
    void aSuggestionIsTheNearestWordOrNone() {
        List<String> words = List.of("transport", "framing", "connect");
        assertThat(Problems.suggestion("transprot", words)).isEqualTo(" (did you mean \"transport\"?)");
        assertThat(Problems.suggestion("conect", words)).isEqualTo(" (did you mean \"connect\"?)");
        assertThat(Problems.suggestion("Framing", words)).isEqualTo(" (did you mean \"framing\"?)");
        assertThat(Problems.suggestion("colour", words)).isEmpty();
        assertThat(Problems.suggestion("framing", List.of())).isEmpty();
        assertThat(Problems.suggestion("w", List.of("a", "ab")))
                .as("nothing is alike")
                .isEmpty();
        assertThat(Problems.suggestion("abc", List.of("abx", "abcd"))).isEqualTo(" (did you mean \"abx\"?)");
    }
}
