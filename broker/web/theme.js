/* SPDX-License-Identifier: MIT */
/* Before anything is painted: the theme that was chosen here, if one was. A
 * plain script, as a module would come after the first paint. */
(function () {
    'use strict';
    try {
        const theme = localStorage.getItem('stint.theme');
        if (theme === 'light' || theme === 'dark')
            document.documentElement.dataset.theme = theme;
    } catch {
        /* No storage: the system's theme. */
    }
})();
